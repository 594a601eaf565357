"""How many units go: a share or a number of what remains, or a total to arrive at."""

from __future__ import annotations

import math
from numbers import Integral, Real


class ShareToward(float):
    """A share of what remains that brings the targets to an absolute sparsity.

    As a number it is the share, in [0, 1]; handed on unchanged, the engine takes
    :attr:`sparsity` instead and lands on that total to the element.

    Attributes:
        sparsity: the fraction of all units to be gone after the event, in [0, 1].
    """

    sparsity: float

    def __new__(cls, share: float, *, sparsity: float) -> ShareToward:
        """Make the share ``share`` that stands for the absolute ``sparsity``."""
        made = super().__new__(cls, share)
        made.sparsity = sparsity
        return made


def units_to_remove(amount: float, remaining: int) -> int:
    """Turn an amount into a number of units, as ``torch.nn.utils.prune`` does.

    Args:
        amount: a float in [0, 1] is a share of ``remaining``, rounded half to even; an integer
            is the number itself.
        remaining: units that are not pruned yet.

    Raises:
        TypeError: if ``amount`` is not a real number.
        ValueError: if it is outside its interval.
    """
    if isinstance(amount, bool) or not isinstance(amount, Real):
        raise TypeError(f"amount: expected an int or a float, got {amount!r}")
    if isinstance(amount, Integral):
        if not 0 <= amount <= remaining:
            raise ValueError(
                f"amount={amount}: expected a number of units between 0 and the {remaining} that "
                "remain; give a float in [0, 1] for a share of them"
            )
        return int(amount)
    if not 0.0 <= amount <= 1.0:  # also refuses NaN
        raise ValueError(f"amount={amount}: expected a float in [0, 1] or a non-negative int")
    return round(amount * remaining)


def units_at(sparsity: float, total: int) -> int:
    """Count the units gone at ``sparsity`` in [0, 1] of ``total``, rounded half to even."""
    return round(sparsity * total)


def share_toward(sparsity: float, *, removed: int, total: int) -> ShareToward:
    """Express an absolute sparsity as a share of what remains of ``total`` units."""
    missing = max(0, units_at(sparsity, total) - removed)
    remaining = total - removed
    share = missing / remaining if remaining else 0.0
    return ShareToward(min(share, 1.0) if math.isfinite(share) else 0.0, sparsity=sparsity)
