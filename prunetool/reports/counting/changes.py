"""What became of the weights of a tensor from one checkpoint to another, counted piece by piece."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Values = NDArray[np.float64] | NDArray[np.complex128]
Flags = NDArray[np.bool_]

_AT_ONCE = 2**14  # elements: as float64 they stay in memory that is used again, and in caches


@dataclass(frozen=True)
class Change:
    """How a tensor differs from what it was.

    Attributes:
        regrown: how many elements were zero and are not any more.
        newly_pruned: how many are zero and were not; masked ones are, in both.
        largest: distance of the element that is farthest from what it was, of those that are zero
            in neither; 0.0 without any. Infinite where a number became NaN or infinite, or the
            reverse; NaN that was NaN is as it was.
    """

    regrown: int
    newly_pruned: int
    largest: float


class ChangeCounter:
    """Counts over the pieces of a tensor that were seen so far."""

    def __init__(self) -> None:
        self._regrown = 0
        self._newly_pruned = 0
        self._largest = 0.0

    def see(self, old: Tensor, new: Tensor) -> None:
        """Take the same piece of both into account; dtypes may differ, both stay as they are."""
        if old.dtype == new.dtype and _are_same_bits(old, new):
            return
        old, new = old.reshape(-1), new.reshape(-1)
        for start in range(0, old.numel(), _AT_ONCE):
            piece = slice(start, start + _AT_ONCE)
            self._see(_exact(old[piece]), _exact(new[piece]))

    def _see(self, before: Values, after: Values) -> None:
        was, is_ = before != 0, after != 0
        in_both = was & is_
        stayed = int(np.count_nonzero(in_both))
        self._regrown += int(np.count_nonzero(is_)) - stayed
        self._newly_pruned += int(np.count_nonzero(was)) - stayed
        self._largest = max(self._largest, _largest_distance(before, after, in_both))

    def change(self) -> Change:
        """Say what it comes to, all pieces seen."""
        return Change(self._regrown, self._newly_pruned, self._largest)


def _are_same_bits(old: Tensor, new: Tensor) -> bool:
    bits = (it.reshape(-1).view(torch.uint8).numpy() for it in (old, new))
    return bool((next(bits) == next(bits)).all())


def _exact(values: Tensor) -> Values:
    """Widen to a dtype that has every value of all floating ones; numpy is the faster in masks."""
    if values.is_complex():
        return values.to(torch.complex128).numpy()
    return values.double().numpy()


def _largest_distance(old: Values, new: Values, in_both: Flags) -> float:
    with np.errstate(all="ignore"):  # NaN and infinities, and what is farther apart than floats go
        distance = np.abs(new - old)
        largest = float(np.max(distance * in_both, initial=0.0))
        if math.isfinite(largest):
            return largest
        # An infinity that was one differs from itself by NaN, as NaN does.
        same = (old == new) | (np.isnan(old) & np.isnan(new))
        distance[same | ~in_both] = 0.0
        return float(np.nan_to_num(distance, nan=math.inf, posinf=math.inf).max())
