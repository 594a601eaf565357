"""When events happen: every so many epochs or optimizer steps, from a start to an end."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum

# How often a training too short for events at epochs' ends is pruned.
_EVENTS_IN_STEPS = 10
# Fewer events than this at the ends of epochs, and steps are counted instead.
_FEW_EVENTS = 3
# Pruning ends here unless told otherwise; the rest of the training recovers the accuracy.
DEFAULT_END = 0.7


class Unit(Enum):
    """What time is counted in."""

    EPOCHS = "epochs"
    STEPS = "steps"


@dataclass(frozen=True)
class Moment:
    """A point in training: so many finished epochs, or optimizer steps."""

    value: int
    unit: Unit

    @classmethod
    def parse(cls, value: int | str, *, what: str) -> Moment:
        """Read ``3`` or ``"3"`` as epochs and ``"500s"`` as optimizer steps.

        Raises:
            ValueError: naming ``what`` if it is neither, or negative.
        """
        text = str(value).strip()
        number, unit = (text[:-1], Unit.STEPS) if text.endswith("s") else (text, Unit.EPOCHS)
        if isinstance(value, bool) or not number.isdecimal():
            raise ValueError(f"{what}: expected epochs like 3 or steps like '500s', got {value!r}")
        return cls(int(number), unit)


@dataclass(frozen=True)
class Window:
    """What was asked for; None where nothing was said."""

    start: Moment | None = None
    end: Moment | None = None
    every: Moment | None = None

    @property
    def unit(self) -> Unit | None:
        """The unit that all given moments share (0 belongs to both); None if nothing says.

        Raises:
            ValueError: if epochs and steps are mixed, or the order is wrong.
        """
        given = [m for m in (self.start, self.end, self.every) if m is not None]
        units = {moment.unit for moment in given if moment.value}
        if len(units) > 1:
            raise ValueError("start, end and every must all be epochs or all be steps ('500s')")
        if self.every is not None and self.every.value == 0:
            raise ValueError("every: expected at least one epoch or step, got 0")
        if self.end is not None and self.end.value <= (self.start.value if self.start else 0):
            raise ValueError(
                f"end: expected a moment after the start, got {self.end.value} "
                f"with start {self.start.value if self.start else 0}"
            )
        return units.pop() if units else None


@dataclass(frozen=True)
class Timeline:
    """The moments of events: ``start + every``, ``start + 2 every``, ..., and ``end`` itself.

    Attributes:
        unit: what the numbers count.
        start: training before the first interval begins.
        end: the last event; None for no end.
        every: the interval, at least 1.
    """

    unit: Unit
    start: int
    end: int | None
    every: int

    def due(self, *, done: int, now: int) -> int | None:
        """Give the latest moment of an event in (``done``, ``now``], or None."""
        now = now if self.end is None else min(now, self.end)
        latest = self.start + (now - self.start) // self.every * self.every
        if now == self.end:
            latest = now
        return latest if latest > max(done, self.start) and now > self.start else None

    def moments(self, total: int) -> list[int]:
        """List the events of a training of ``total`` epochs or steps."""
        last = total if self.end is None else min(total, self.end)
        regular = list(range(self.start + self.every, last + 1, self.every))
        if self.end is not None and self.end <= total and self.end not in regular:
            regular.append(self.end)
        return regular

    def progress(self, moment: int) -> float:
        """Give how far ``moment`` is between start and end, in [0, 1]."""
        if self.end is None:
            raise ValueError("a timeline without an end has no progress")
        return min(1.0, max(0.0, (moment - self.start) / (self.end - self.start)))

    def as_one_shot(self) -> Timeline:
        """Give the timeline whose only event is the end."""
        if self.end is None:
            raise ValueError("one-shot pruning needs an end")
        return replace(self, every=self.end - self.start)


@dataclass(frozen=True)
class Length:
    """How long a training is; None where it has no known end."""

    epochs: int | None
    steps: int | None

    def in_unit(self, unit: Unit) -> int | None:
        """Give the length in ``unit``."""
        return self.epochs if unit is Unit.EPOCHS else self.steps


def timeline(window: Window, length: Length, *, endless: bool) -> Timeline:
    """Settle what was not said: the unit, the interval, and (unless ``endless``) the end.

    Without a word of the user's, events come at the ends of epochs; in a training so short that
    fewer than three would fit, or whose length is known in steps only, ten times on the way.
    Where events compound (``endless``), those in steps come an epoch apart.

    Raises:
        ValueError: if the end or the interval needs the training's length and it is unknown.
    """
    unit = window.unit or _natural_unit(length, endless=endless)
    start = window.start.value if window.start else 0
    total = length.in_unit(unit)
    if window.end is not None:
        end: int | None = window.end.value
    elif endless:
        end = None
    elif total is None:
        raise ValueError("the training has no known length: say by when to prune (end)")
    else:
        end = max(start + 1, round(DEFAULT_END * total))
    if window.every is not None:
        every = window.every.value
    elif unit is Unit.EPOCHS:
        every = 1
    elif endless or end is None:
        every = _steps_in_an_epoch(length)
    else:
        every = max(1, (end - start) // _EVENTS_IN_STEPS)
    return Timeline(unit, start, end, every)


def _natural_unit(length: Length, *, endless: bool) -> Unit:
    if length.epochs is None:
        return Unit.EPOCHS if endless or length.steps is None else Unit.STEPS
    enough = endless or round(DEFAULT_END * length.epochs) >= _FEW_EVENTS
    return Unit.EPOCHS if enough or length.steps is None else Unit.STEPS


def _steps_in_an_epoch(length: Length) -> int:
    if not length.epochs or length.steps is None:
        raise ValueError("the length of an epoch is not known: say how often to prune (every)")
    return max(1, length.steps // length.epochs)
