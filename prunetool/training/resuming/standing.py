"""Where a run stands when it is left before its end, in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from prunetool.training.recording.run_folder import RunFolder


@dataclass
class Standing:
    """What the last checkpoint of a run holds.

    Attributes:
        place: the place in the training, in words; None where this process has saved nothing.
        is_all: whether the run was left right there, with nothing trained since.
        reason: what keeps the run from stopping within an epoch, in words; or None.
    """

    place: str | None = None
    is_all: bool = False
    reason: str | None = None

    def is_within_an_epoch(self, trainer: Any, trained: int) -> None:
        """Note that the checkpoint holds the state after ``trained`` batches of an epoch."""
        batches = trainer.num_training_batches
        of = f" of {int(batches)}" if batches != float("inf") else ""
        self.place = (
            f"after step {trainer.global_step} (epoch {trainer.current_epoch + 1}, "
            f"batch {trained}{of})"
        )

    def is_between_epochs(self, trainer: Any, *, finished: bool) -> None:
        """Note that the checkpoint holds the end of the epoch, or the start of the training."""
        end = f"at the end of epoch {trainer.current_epoch + 1} (step {trainer.global_step})"
        self.place = end if finished else "at the start"

    def in_words(self, folder: RunFolder) -> str:
        """Say where the run stands and how to go on: two lines, or one where there is nothing."""
        if not folder.last.exists():
            return "interrupted before the training began; there is nothing to go on from"
        place = self.place or "at the end of the last epoch (or the start)"
        lost = "" if self.is_all else "; work since then is not kept"
        why = f" ({self.reason})" if self.reason and lost else ""
        return (
            f"interrupted; {folder.last} holds the state {place}{lost}{why}\n"
            f"go on with: prunetool train {folder.path} --resume"
        )
