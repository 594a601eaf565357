"""``rewind.ckpt``: everything as of optimizer step K of the first round.

It is saved after the step itself; where the step is the last of an epoch, when the epoch has ended.
What belongs to the run and not to the moment (masks, the table of rounds) is left out of it.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from prunetool.checkpoints.writing import beside_of, move_into_place
from prunetool.errors import OptionError
from prunetool.training import random_state
from prunetool.training.between_epochs import between_epochs
from prunetool.training.boundary import EpochRandom
from prunetool.training.checkpoint_files import on_disk

# Under this name checkpoint["prunetool"] keeps what Lightning does not save.
MARK = "rewind"


class RewindPoint:
    """Waits for step K and saves.

    Args:
        path: of the checkpoint.
        step: K.
        of_the_run: keys of callbacks whose state belongs to the run.
    """

    def __init__(self, path: Path, step: int, *, of_the_run: tuple[str, ...]) -> None:
        self._path = path
        self._step = step
        self._of_the_run = of_the_run
        self._waiting = False
        self._new_iterator = False
        self._before_epoch = EpochRandom([])
        self._moment: dict[str, Any] | None = None

    def fit_starts(self, trainer: Any) -> None:
        """Note the random generators of the first epoch."""
        self._before_epoch = EpochRandom.at_fit_start(trainer)
        self._new_iterator = True

    def require_reachable(self, trainer: Any) -> None:
        """Refuse a step that the training does not come to.

        Raises:
            OptionError: if its length is known.
        """
        steps = trainer.estimated_stepping_batches
        if math.isfinite(steps) and self._step >= steps:
            raise OptionError(
                f"--rewind-step {self._step}: a round has only {int(steps)} steps; choose a "
                f"smaller one (early steps are a few percent of the training), or train longer"
            )

    def train_starts(self, trainer: Any) -> None:
        """Save step 0 now; a resumed round waits only for what is still to come."""
        if trainer.global_step == self._step == 0:
            self._save(trainer, self._before_epoch)
        self._waiting = trainer.global_step < self._step

    def epoch_starts(self) -> None:
        """Note the random generators; an epoch's iterator is made after this hook."""
        if self._waiting and not self._new_iterator:
            self._before_epoch = EpochRandom.between_epochs()
        self._new_iterator = False

    def batch_ends(self, trainer: Any) -> None:
        """Save if the step is in the middle of an epoch."""
        if self._is_due(trainer) and not trainer.is_last_batch:
            self._save(trainer, self._before_epoch, random=random_state.capture())

    def epoch_ends(self, trainer: Any) -> None:
        """Save if the step was the last of the epoch."""
        if self._is_due(trainer):
            self._save(trainer, EpochRandom.between_epochs())

    def amend(self, checkpoint: dict[str, Any]) -> None:
        """Turn what is about to be saved into the state of a moment, if it is for this file."""
        if self._moment is None:
            return
        callbacks = checkpoint.get("callbacks", {})
        checkpoint["callbacks"] = {
            key: state for key, state in callbacks.items() if key not in self._of_the_run
        }
        checkpoint["prunetool"] = {**checkpoint.get("prunetool", {}), MARK: self._moment}
        if self._moment["random"] is None:
            fit_loop = between_epochs(checkpoint["loops"]["fit_loop"])
            checkpoint["loops"] = {**checkpoint["loops"], "fit_loop": fit_loop}

    def _is_due(self, trainer: Any) -> bool:
        return self._waiting and trainer.global_step >= self._step

    def _save(
        self, trainer: Any, epoch: EpochRandom, *, random: list[dict[str, Any]] | None = None
    ) -> None:
        """Save a moment: ``random`` are the generators as of now, in the middle of an epoch."""
        self._waiting = False
        logged = {name: float(value) for name, value in trainer.callback_metrics.items()}
        self._moment = {"epoch": epoch.as_plain(), "random": random, "logged": logged}
        beside = beside_of(self._path)
        try:
            on_disk(self._path, lambda: trainer.save_checkpoint(beside))
        finally:
            self._moment = None
        if trainer.is_global_zero:
            on_disk(self._path, lambda: move_into_place(beside, self._path))
        trainer.strategy.barrier("prunetool rewind.ckpt")
