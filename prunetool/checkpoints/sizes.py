"""Sizes and shapes as a file gives them, before anything is done with them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

DIMENSIONS = 64  # of a tensor; torch's own limit
END = 2**62  # no size, offset or count of elements reaches it


def is_size(value: Any) -> bool:
    """Say whether a value is a whole number that can be a size or an offset."""
    return type(value) is int and 0 <= value < END


def are_sizes(values: Any) -> bool:
    """Say whether a value is a list or tuple of nothing but sizes."""
    return isinstance(values, tuple | list) and all(map(is_size, values))


def is_shape(values: Any) -> bool:
    """Say whether a value can be the shape of a tensor."""
    return are_sizes(values) and len(values) <= DIMENSIONS and capacity(values) < END


def capacity(shape: Iterable[int] | Sequence[int]) -> int:
    """Multiply what torch multiplies, sizes of 0 aside: that must not overflow either."""
    return math.prod(max(size, 1) for size in shape)
