"""Axes: from what to what, where the ticks are, and how their numbers are written."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, floor, isfinite, log10

_STEPS = (1, 2, 5, 10)
_SAME = 1e-9  # relative; ticks are multiples of a step, up to rounding


@dataclass(frozen=True)
class Axis:
    """A range of numbers with ticks.

    Attributes:
        low, high: its ends; ``low < high``.
        ticks: within them, ascending.
        name: what it counts, with its unit.
        is_share: whether it holds shares in [0, 1], which are written as percentages.
    """

    low: float
    high: float
    ticks: tuple[float, ...]
    name: str
    is_share: bool = False

    def place(self, value: float) -> float:
        """Say where ``value`` lies between the ends, in [0, 1] for what is within them."""
        return (value - self.low) / (self.high - self.low)

    def label(self, tick: float) -> str:
        """Write a tick with as many digits as the distance of two needs."""
        if self.is_share:
            return f"{100 * tick:g} %"
        return short(tick)


def share_axis(name: str) -> Axis:
    """Give the axis of a share: 0 to 100 %."""
    return Axis(0.0, 1.0, (0.0, 0.25, 0.5, 0.75, 1.0), name, is_share=True)


def axis_over(
    values: list[float], name: str, *, from_zero: bool = False, whole: bool = False, about: int = 4
) -> Axis:
    """Give an axis that holds all finite ``values``, with round ends.

    Args:
        values: what is to be shown; may be empty.
        name: what it counts.
        from_zero: begin at zero, and end at the largest value: for time and for counts.
        whole: ticks are whole numbers.
        about: how many ticks.
    """
    finite = [value for value in values if isfinite(value)] or [0.0]
    low, high = (0.0 if from_zero else min(finite)), max(finite)
    if high - low <= _SAME * max(abs(high), abs(low), 1e-300):
        high = low + (abs(low) or 1.0)
    step = _step((high - low) / about)
    step = max(1.0, float(ceil(step))) if whole else step
    first, last = floor(low / step + _SAME), ceil(high / step - _SAME)
    if whole:
        high = max(high, 1.0)
        last = floor(high / step + _SAME)
    ticks = tuple(float(f"{number * step:.12g}") for number in range(first, last + 1))
    return Axis(min(ticks[0], low), high if whole else ticks[-1], ticks, name)


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
