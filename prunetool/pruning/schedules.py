"""How much is gone by when: pure mathematics of progress in [0, 1] to a sparsity.

Progress x counts from 0 where pruning starts to 1 where the target s is reached.

=============  ====================  =============================================
one-shot       0 for x < 1, then s   Han et al. 2015, arXiv 1506.02626
linear         s x
cubic          s (1 - (1 - x)^3)     Zhu & Gupta 2017, arXiv 1710.01878, eq. 1
exponential    1 - (1 - s)^x         the same share of the rest at each event
=============  ====================  =============================================

Cubic takes much while much is redundant and little at the end; it is the default. A curve of the
user's own is a function of x that gives the fraction of s that is due.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import Enum
from itertools import pairwise

_ROUNDING = 1e-9


class CurveError(ValueError):
    """A curve of the user's own gives something else than it should."""


# Progress in [0, 1] to the fraction of the target that is due, in [0, 1].
Curve = Callable[[float], float]


class Schedule(Enum):
    """The curves."""

    ONE_SHOT = "one-shot"
    LINEAR = "linear"
    CUBIC = "cubic"
    EXPONENTIAL = "exponential"


def sparsity_at(schedule: Schedule | Curve, progress: float, *, target: float) -> float:
    """Give the sparsity that is due at ``progress``.

    Args:
        schedule: a curve; one of the user's own is not asked about the end.
        progress: outside [0, 1] it is taken for the nearer end.
        target: sparsity at the end, in [0, 1].

    Returns:
        A fraction in [0, target]; exactly ``target`` from progress 1 on, and never falling unless
        a curve of the user's own falls.

    Raises:
        CurveError: if a curve of the user's own gives anything but a fraction in [0, 1].
    """
    if progress >= 1.0:
        return target
    x = max(progress, 0.0)
    if not isinstance(schedule, Schedule):
        return target * _own_fraction(schedule, x)
    match schedule:
        case Schedule.ONE_SHOT:
            return 0.0
        case Schedule.LINEAR:
            return target * x
        case Schedule.CUBIC:
            return target * (1.0 - (1.0 - x) ** 3)
        case Schedule.EXPONENTIAL:
            # 1 - (1 - s) may exceed s by a rounding error.
            return min(target, 1.0 - float((1.0 - target) ** x))
    raise AssertionError(f"no such schedule: {schedule!r}")


def _own_fraction(curve: Curve, x: float) -> float:
    fraction = curve(x)
    try:
        value = float(fraction)
    except (TypeError, ValueError):
        value = -1.0
    if not 0.0 <= value <= 1.0:  # also refuses NaN
        raise CurveError(
            f"schedule: your function gave {fraction!r} at progress {x:g}; expected the fraction "
            "of the target sparsity that is due, in [0, 1]"
        )
    return value


def require_rising(sparsities: Sequence[float]) -> None:
    """Make sure that sparsities never fall: what is pruned stays pruned.

    Raises:
        CurveError: saying where they fall.
    """
    for before, after in pairwise(sparsities):
        if after < before - _ROUNDING:
            raise CurveError(
                f"schedule: your function falls, from a sparsity of {before:.4f} to {after:.4f}; "
                "what is pruned stays pruned, so it must never fall"
            )
