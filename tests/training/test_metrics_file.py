from __future__ import annotations

from prunetool.training.metrics_file import MetricsFile


def test_a_row_an_epoch_with_every_metric_there_is(tmp_path):
    path = tmp_path / "metrics.csv"
    table = MetricsFile(path)
    table.add(epoch=1, step=4, sparsity=0.25, metrics={"loss": 1.5})
    assert path.read_text() == "epoch,step,sparsity,loss\n1,4,0.250000,1.5\n"
    table.add(epoch=2, step=8, sparsity=0.5, metrics={"acc": 0.1, "loss": 1e-9, "epoch": 9.0})
    assert path.read_text() == (
        "epoch,step,sparsity,loss,acc\n1,4,0.250000,1.5,\n2,8,0.500000,1e-09,0.1\n"
    )
    assert [p.name for p in tmp_path.iterdir()] == ["metrics.csv"]


def test_a_resumed_run_replaces_what_came_after_its_checkpoint(tmp_path):
    path = tmp_path / "metrics.csv"
    table = MetricsFile(path)
    for epoch in (1, 2, 3):
        table.add(epoch=epoch, step=4 * epoch, sparsity=0.5, metrics={"a,b": float(epoch)})
    resumed = MetricsFile(path, finished_epochs=1)
    resumed.add(epoch=2, step=8, sparsity=0.5, metrics={"a,b": 7.0})
    assert path.read_text() == ('epoch,step,sparsity,"a,b"\n1,4,0.500000,1.0\n2,8,0.500000,7.0\n')


def test_a_new_run_begins_anew(tmp_path):
    path = tmp_path / "metrics.csv"
    path.write_text("epoch,step,sparsity\n1,1,0.000000\n")
    MetricsFile(path).add(epoch=1, step=2, sparsity=0.0, metrics={})
    assert path.read_text() == "epoch,step,sparsity\n1,2,0.000000\n"
