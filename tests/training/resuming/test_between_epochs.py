from __future__ import annotations

import copy

import lightning.pytorch as pl
import pytest
from tiny import batches, seeded, trainer

from prunetool.training.resuming.between_epochs import between_epochs


class Course(pl.callbacks.Checkpoint):
    """Notes the epochs that end, and saves at the end of the first."""

    def __init__(self, path, *, mend):
        self.path, self.mend = path, mend
        self.ended = []

    def on_train_epoch_end(self, trainer, pl_module):
        self.ended.append((trainer.current_epoch, trainer.global_step))
        if trainer.current_epoch == 0 and not self.path.exists():
            trainer.save_checkpoint(self.path)

    def on_save_checkpoint(self, trainer, pl_module, checkpoint):
        if self.mend:
            loops = checkpoint["loops"]
            before = copy.deepcopy(loops["fit_loop"])
            loops["fit_loop"] = between_epochs(before)
            assert before != loops["fit_loop"]


def resumed(tmp_path, *, mend, **limits):
    for ckpt_path in (None, tmp_path / "first.ckpt"):
        course = Course(tmp_path / "first.ckpt", mend=mend)
        run = trainer(course, enable_checkpointing=True, limit_train_batches=5, **limits)
        run.fit(seeded(), batches(), batches(), ckpt_path=ckpt_path)
    return course.ended


LIMITS = [
    {"epochs": 3},
    {"epochs": -1, "max_steps": 15},
    {"epochs": 3, "max_steps": 15},
]


@pytest.mark.parametrize("limits", LIMITS)
def test_a_resumed_fit_begins_with_the_next_epoch(tmp_path, limits):
    assert resumed(tmp_path, mend=True, **limits) == [(1, 10), (2, 15)]


@pytest.mark.parametrize("limits", LIMITS[1:])
def test_what_lightning_does_by_itself(tmp_path, limits):
    """If this fails, Lightning has mended it and between_epochs can go."""
    assert resumed(tmp_path, mend=False, **limits)[0] == (0, 5)


def test_an_epoch_that_was_cut_short_is_left_alone():
    state = {"epoch_loop.batch_progress": {"is_last_batch": False}}
    assert between_epochs(state) is state
