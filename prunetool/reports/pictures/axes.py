"""Axes: from what to what, where the ticks are, and how their numbers are written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor, log10

_STEPS = (1, 2, 5, 10)
_TINY, _HUGE = 1e-300, 1e300  # beyond them differences of floats are 0 or infinite
_SAME = 1e-9  # relative; ticks are multiples of a step, up to rounding


@dataclass(frozen=True)
class Axis:
    """A range of numbers with ticks.

    Attributes:
        low, high: its ends; ``low < high``.
        ticks: within them, ascending.
        name: what it counts, with its unit.
        is_share: whether it holds shares in [0, 1], which are written as percentages.
        is_rough: whether three digits of a tick are enough.
    """

    low: float
    high: float
    ticks: tuple[float, ...]
    name: str
    is_share: bool = False
    is_rough: bool = False

    def place(self, value: float) -> float:
        """Say where ``value`` lies between the ends, in [0, 1] for what is within them."""
        return (value - self.low) / (self.high - self.low)

    def label(self, tick: float) -> str:
        """Write a tick with as many digits as the distance of two needs."""
        if self.is_share:
            return f"{100 * tick:g} %"
        return short(float(f"{tick:.3g}") if self.is_rough else tick)


def is_drawable(value: float) -> bool:
    """Whether an axis can hold a value: not NaN, infinities, and what nearly is one."""
    return abs(value) <= _HUGE


def share_axis(name: str) -> Axis:
    """Give the axis of a share: 0 to 100 %."""
    return Axis(0.0, 1.0, (0.0, 0.25, 0.5, 0.75, 1.0), name, is_share=True)


def axis_over(values: Sequence[float], name: str, *, about: int = 4) -> Axis:
    """Give an axis with round ends that holds all drawable ``values``; there may be none.

    Args:
        values: what is to be shown.
        name: what it counts.
        about: how many ticks.
    """
    finite = [value for value in values if is_drawable(value)] or [0.0]
    low, high = min(finite), max(finite)
    if high - low <= max(_SAME * max(abs(high), abs(low)), _TINY):
        high = low + (abs(low) if abs(low) > _TINY else 1.0)
    step = _step((high - low) / about)
    ticks = _multiples(step, floor(low / step + _SAME), ceil(high / step - _SAME))
    return Axis(ticks[0], ticks[-1], ticks, name)


def count_axis(counts: Sequence[int], name: str, *, about: int = 4) -> Axis:
    """Give an axis from zero with whole numbers, and a round end."""
    high = max([1, *counts])
    step = ceil(_step(high / about))
    ticks = _multiples(step, 0, ceil(high / step))
    return Axis(0.0, ticks[-1], ticks, name)


def time_axis(steps: Sequence[int], name: str, *, about: int = 5) -> Axis:
    """Give an axis from zero with whole numbers, that ends with the last of ``steps``."""
    high = max([1, *steps])
    step = ceil(_step(high / about))
    return Axis(0.0, float(high), _multiples(step, 0, high // step), name)


def _multiples(step: float, first: int, last: int) -> tuple[float, ...]:
    return tuple(float(f"{number * step:.12g}") for number in range(first, last + 1))


def _step(rough: float) -> float:
    magnitude = 10.0 ** floor(log10(rough))
    return float(next(it for it in _STEPS if rough <= it * magnitude * (1 + _SAME)) * magnitude)


def short(number: float) -> str:
    """Write a number for an axis: 0.25, 1,200, 15k, 3M, 2e-05."""
    for size, unit in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(number) >= size:
            scale = 1e3 if unit == "k" else size
            return f"{number / scale:g}{unit}" if abs(number) < 1e15 else f"{number:g}"
    return f"{number:,.0f}" if number == int(number) else f"{number:g}"


def percent(share: float) -> str:
    """Write a share in [0, 1] as the report's tables do."""
    return f"{100 * share:.2f} %"


def grouped(number: int) -> str:
    """Write a whole number with its thousands apart."""
    return f"{number:,}"


def counted(number: int, what: str) -> str:
    """Write how many there are: 1 event, 1,200 events."""
    return f"{grouped(number)} {what}" + ("" if number == 1 else "s")
