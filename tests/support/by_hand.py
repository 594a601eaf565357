"""What an event should do, in plain Python and numpy: slow, and with nothing of the engine's."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import product

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


def held_by_groups(scores: Floats, gone: Bools, *, n: int, m: int, dim: int) -> Bools:
    """Mark what must stay so that ``n`` of ``m`` are left: sort each group by itself.

    What is gone ranks first, then the lower score, then the lower position.
    """
    stay = np.zeros(scores.shape, dtype=bool)
    others = [range(size) for i, size in enumerate(scores.shape) if i != dim]
    for start, *rest in product(range(0, scores.shape[dim], m), *others):
        places = []
        for j in range(start, start + m):
            place = list(rest)
            place.insert(dim, j)
            places.append(tuple(place))
        ranked = sorted(places, key=lambda p: (not gone[p], 0.0 if gone[p] else scores[p]))
        for place in ranked[m - n :]:
            stay[place] = True
    return stay & ~gone


def channels_first(values: NDArray, dim: int) -> NDArray:
    """Put each channel along ``dim`` into a row."""
    return np.moveaxis(values, dim, 0).reshape(values.shape[dim], -1)


def lowest(scores: Sequence[Floats], open_: Sequence[Bools], k: int) -> list[Bools]:
    """Mark the ``k`` lowest of the open units, the first among equals."""
    places = [(float(scores[t][u]), t, u) for t in range(len(scores)) for u in _set(open_[t])]
    chosen = [np.zeros(mask.shape, dtype=bool) for mask in open_]
    for _, t, u in sorted(places)[:k]:
        chosen[t][u] = True
    return chosen


def _set(mask: Bools) -> list[int]:
    return [int(u) for u in np.flatnonzero(mask)]


def most_allowed(bound: float, units: int, prunable: int) -> int:
    """Give the most units that leave a tensor no sparser than ``bound``, by trying all."""
    # A bound that a decimal fraction means is met by that fraction.
    exact = Fraction(bound).limit_denominator(10**6)
    return max(k for k in range(prunable + 1) if not units or Fraction(k, units) <= exact)
