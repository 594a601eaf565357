from __future__ import annotations

from prunetool.training.progress import epoch_line
from prunetool.training.recording.epoch_record import EpochRecord


def test_a_line_an_epoch():
    record = EpochRecord(3, 270, 0.7875, {"train_loss": 0.12341, "val_acc": 0.9611})
    assert epoch_line(record, epochs=10) == (
        "epoch 3/10  step 270  train_loss 0.1234  val_acc 0.9611  sparsity 0.7875"
    )
    assert epoch_line(record, epochs=None).startswith("epoch 3  step 270  ")
    assert epoch_line(record, epochs=10, target=0.9).endswith("  sparsity 0.7875 of 0.9000")
    assert epoch_line(record, epochs=10, target=0).endswith("  sparsity 0.7875")


def test_a_round_is_said():
    record = EpochRecord(3, 270, 0.5, {}, round=2)
    assert epoch_line(record, epochs=10, rounds=5) == (
        "round 2/5  epoch 3/10  step 270  sparsity 0.5000"
    )


def test_a_metric_is_shown_once():
    record = EpochRecord(1, 9, 0.0, {"loss": 1.0, "loss_step": 2.0, "loss_epoch": 1.0, "a_step": 3})
    assert epoch_line(record, epochs=1) == "epoch 1/1  step 9  loss 1  a_step 3  sparsity 0.0000"


def test_a_model_with_many_metrics_does_not_fill_the_screen():
    record = EpochRecord(1, 9, 0.5, {f"m{i}": float(i) for i in range(20)})
    assert epoch_line(record, epochs=1) == (
        "epoch 1/1  step 9  m0 0  m1 1  m2 2  m3 3  m4 4  m5 5  sparsity 0.5000"
    )


def test_the_metrics_of_the_validation_come_first():
    metrics = {**{f"train_{i}": 1.0 for i in range(9)}, "val_loss": 2.0}
    record = EpochRecord(1, 9, 0.0, metrics, frozenset({"val_loss"}), 1)
    assert epoch_line(record, epochs=1).startswith("epoch 1/1  step 9  val_loss 2  train_0 1  ")
