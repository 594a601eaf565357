"""Where a fit stands, and whether that is a moment to prune."""

from __future__ import annotations

import math
from enum import Enum
from typing import Any

from prunetool.fit.timeline import Length, Timeline, Unit, Window, timeline
from prunetool.pruning.schedules import Curve, Schedule


class Hook(Enum):
    """The Lightning hooks in which an event can happen, in the order they run in an epoch."""

    BATCH_END = "the end of a training batch"
    VALIDATION_END = "the end of every validation"
    EPOCH_END = "the end of every epoch"


class Clock:
    """Decides when events are due, and remembers which have been.

    Args:
        window: what was asked for; None prunes at every ``hook`` (the reference's ``amount``).
        schedule: the curve; one-shot has a single event.
        hook: where events at the end of an epoch happen.
        before_validation: they happen after the epoch's last batch instead, so that validation and
            the checkpoints after it see the pruned weights.
    """

    def __init__(
        self,
        window: Window | None,
        schedule: Schedule | Curve,
        hook: Hook,
        *,
        before_validation: bool,
    ) -> None:
        self._window = window
        self._schedule = schedule
        self._hook = hook
        self._before_validation = before_validation
        self.endless = True
        self.timeline: Timeline | None = None
        self.done = 0
        self._last: tuple[int, int] | None = None

    def restart(self) -> None:
        """Forget the events of an earlier fit."""
        self.done, self._last, self.timeline = 0, None, None

    def settle(self, length: Length, *, endless: bool) -> None:
        """Fix the moments, now that the length of the training is known.

        Raises:
            ValueError: if an end is needed and the length is unknown.
        """
        self.endless = endless
        if self._window is None:
            return
        self.timeline = timeline(self._window, length, endless=endless)
        if self._schedule is Schedule.ONE_SHOT and self.timeline.end is not None:
            self.timeline = self.timeline.as_one_shot()

    def due(self, trainer: Any, hook: Hook) -> int | None:
        """Give the moment of an event that is due in ``hook``, and remember it; None if none is.

        An event happens once for a state of the weights: a resumed run does not repeat the one
        that its checkpoint already contains.
        """
        position = (int(trainer.current_epoch), int(trainer.global_step))
        if position == self._last or not self._is_time(trainer, hook):
            return None
        moment = self._moment(trainer)
        if moment is not None:
            self.done, self._last = moment, position
        return moment

    def _is_time(self, trainer: Any, hook: Hook) -> bool:
        if self.timeline is not None and self.timeline.unit is Unit.STEPS:
            return hook is Hook.BATCH_END
        if not self._before_validation:
            return hook is self._hook
        # The end of the epoch catches what has no last batch: a training step that skips the rest.
        return hook is Hook.EPOCH_END or (hook is Hook.BATCH_END and ends_epoch(trainer))

    def _moment(self, trainer: Any) -> int | None:
        if self.timeline is None:
            return int(trainer.current_epoch) + 1
        in_steps = self.timeline.unit is Unit.STEPS
        now = int(trainer.global_step) if in_steps else int(trainer.current_epoch) + 1
        return self.timeline.due(done=self.done, now=now)

    def events_to_come(self, trainer: Any, length: Length) -> int | None:
        """Count the events ahead, or None where that is open."""
        if self.timeline is None:
            once_an_epoch = self._before_validation or self._hook is Hook.EPOCH_END
            if length.epochs is None or not (once_an_epoch or _validates_once_an_epoch(trainer)):
                return None
            return max(0, length.epochs - max(self.done, int(trainer.current_epoch)))
        total = length.in_unit(self.timeline.unit)
        if total is None:
            return None
        return sum(moment > self.done for moment in self.timeline.moments(total))

    @property
    def where(self) -> str:
        """The moments in words."""
        if self.timeline is not None and self.timeline.every > 1:
            return f"every {self.timeline.every} {self.timeline.unit.value}"
        if self._before_validation:
            return "the end of every epoch (before validation)"
        return self._hook.value

    def state(self) -> dict[str, Any]:
        """Give what a checkpoint keeps."""
        return {"done": self.done, "last_event": list(self._last) if self._last else None}

    def load(self, state: dict[str, Any]) -> None:
        """Take up where :meth:`state` was saved."""
        self.done = state["done"]
        last = state["last_event"]
        self._last = (last[0], last[1]) if last else None


def length_of(trainer: Any) -> Length:
    """Measure the training ahead: epochs (the last may be cut short by max_steps) and steps."""
    steps = trainer.estimated_stepping_batches
    known_steps = int(steps) if math.isfinite(steps) else None
    batches = trainer.num_training_batches
    epochs = trainer.max_epochs
    if epochs is None or epochs < 0:
        return Length(None, known_steps)
    if known_steps is not None and math.isfinite(batches) and batches > 0:
        in_an_epoch = math.ceil(batches / trainer.accumulate_grad_batches)
        epochs = min(epochs, math.ceil(known_steps / in_an_epoch))
    return Length(int(epochs), known_steps)


def ends_epoch(trainer: Any) -> bool:
    """Whether the batch that has just been trained on is the last of its epoch."""
    return bool(trainer.is_last_batch) or _steps_are_up(trainer)


def ends_training(trainer: Any) -> bool:
    """Whether no epoch follows the current one."""
    if _steps_are_up(trainer):
        return True
    epoch = trainer.current_epoch + 1
    if trainer.max_epochs is not None and 0 <= trainer.max_epochs <= epoch:
        return True
    enough_epochs = epoch >= (trainer.min_epochs or 0)
    enough_steps = trainer.global_step >= (trainer.min_steps or 0)
    return bool(trainer.should_stop and enough_epochs and enough_steps)


def _steps_are_up(trainer: Any) -> bool:
    return bool(0 <= trainer.max_steps <= trainer.global_step)


def _validates_once_an_epoch(trainer: Any) -> bool:
    return bool(trainer.check_val_every_n_epoch == 1 and trainer.val_check_interval == 1.0)
