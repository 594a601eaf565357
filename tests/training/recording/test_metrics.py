from __future__ import annotations

import lightning.pytorch as pl
import pytest
from tiny import batches, seeded, trainer

from prunetool.training.recording.metrics import FreshMetrics


class Recorder(pl.callbacks.Checkpoint):
    """Last of the callbacks, as the run's own."""

    def __init__(self):
        self.fresh = FreshMetrics()
        self.epochs = []
        self.there = []

    def on_train_epoch_start(self, trainer, pl_module):
        self.fresh.epoch_starts(trainer)

    def on_validation_start(self, trainer, pl_module):
        self.fresh.validation_starts(trainer)

    def on_validation_end(self, trainer, pl_module):
        self.fresh.validation_ends(trainer)

    def on_train_epoch_end(self, trainer, pl_module):
        self.epochs.append(sorted(self.fresh.at_epoch_end(trainer)))
        self.there.append(sorted(trainer.callback_metrics))


@pytest.mark.parametrize(
    ("settings", "fresh"),
    [
        ({}, [["train_loss", "val_loss"]] * 3),
        (
            {"check_val_every_n_epoch": 2},
            [["train_loss"], ["train_loss", "val_loss"], ["train_loss"]],
        ),
        # After 4 of 5 batches: one more step comes after the validation.
        ({"val_check_interval": 4}, [["train_loss"]] * 3),
        ({"limit_val_batches": 0}, [["train_loss"]] * 3),
    ],
)
def test_stale_metrics_are_left_out(settings, fresh):
    recorder = Recorder()
    run = trainer(recorder, enable_checkpointing=True, num_sanity_val_steps=0, **settings)
    run.fit(seeded(), batches(), batches())
    assert recorder.epochs == fresh
    if "check_val_every_n_epoch" in settings:  # Lightning keeps the old value
        assert recorder.there[2] == ["train_loss", "val_loss"]


def test_the_values():
    recorder = Recorder()
    run = trainer(recorder, enable_checkpointing=True, epochs=1)
    run.fit(seeded(), batches(), batches())
    metrics = recorder.fresh.at_epoch_end(run)
    assert metrics == {name: float(run.callback_metrics[name]) for name in metrics}
    assert all(type(value) is float for value in metrics.values())
