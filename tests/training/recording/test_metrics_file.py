from __future__ import annotations

from prunetool.training.recording.epoch_record import EpochRecord
from prunetool.training.recording.metrics_file import MetricsFile


def record(epoch, step, sparsity, metrics, number=1):
    return EpochRecord(epoch, step, sparsity, metrics, round=number)


def test_a_row_an_epoch_with_every_metric_there_is(tmp_path):
    path = tmp_path / "metrics.csv"
    table = MetricsFile(path)
    table.add(record(1, 4, 0.25, {"loss": 1.5}))
    assert path.read_text() == "epoch,step,sparsity,loss\n1,4,0.250000,1.5\n"
    table.add(record(2, 8, 0.5, {"acc": 0.1, "loss": 1e-9, "epoch": 9.0}))
    assert path.read_text() == (
        "epoch,step,sparsity,loss,acc\n1,4,0.250000,1.5,\n2,8,0.500000,1e-09,0.1\n"
    )
    assert [p.name for p in tmp_path.iterdir()] == ["metrics.csv"]


def test_a_resumed_run_replaces_what_came_after_its_checkpoint(tmp_path):
    path = tmp_path / "metrics.csv"
    table = MetricsFile(path)
    for epoch in (1, 2, 3):
        table.add(record(epoch, 4 * epoch, 0.5, {"a,b": float(epoch)}))
    resumed = MetricsFile(path, finished=(1, 1))
    resumed.add(record(2, 8, 0.5, {"a,b": 7.0}))
    assert path.read_text() == ('epoch,step,sparsity,"a,b"\n1,4,0.500000,1.0\n2,8,0.500000,7.0\n')


def test_rounds_have_a_column_and_epochs_of_their_own(tmp_path):
    path = tmp_path / "metrics.csv"
    table = MetricsFile(path, rounds=True)
    for number in (1, 2):
        for epoch in (1, 2):
            table.add(record(epoch, epoch, 0.0, {"loss": float(10 * number + epoch)}, number))
    head = "round,epoch,step,sparsity,loss\n1,1,1,0.000000,11.0\n1,2,2,0.000000,12.0\n"
    assert path.read_text() == head + "2,1,1,0.000000,21.0\n2,2,2,0.000000,22.0\n"
    MetricsFile(path, rounds=True, finished=(2, 1)).add(record(2, 2, 0.5, {"loss": 7.0}, 2))
    assert path.read_text() == head + "2,1,1,0.000000,21.0\n2,2,2,0.500000,7.0\n"


def test_a_new_run_begins_anew(tmp_path):
    path = tmp_path / "metrics.csv"
    path.write_text("epoch,step,sparsity\n1,1,0.000000\n")
    MetricsFile(path).add(record(1, 2, 0.0, {}))
    assert path.read_text() == "epoch,step,sparsity\n1,2,0.000000\n"


def test_an_epoch_that_is_told_again_replaces_its_row(tmp_path):
    table = MetricsFile(tmp_path / "metrics.csv")
    for epoch, loss in ((1, 0.5), (2, 0.25), (2, 0.25)):
        table.add(EpochRecord(epoch=epoch, step=epoch, sparsity=0.0, metrics={"loss": loss}))
    assert (tmp_path / "metrics.csv").read_text() == (
        "epoch,step,sparsity,loss\n1,1,0.000000,0.5\n2,2,0.000000,0.25\n"
    )
