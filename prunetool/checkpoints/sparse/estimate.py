"""What a tensor would take in a sparse file, by what is known of its zeros without reading it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from prunetool.checkpoints.sparse.metadata import FREE_ZEROS, NAMED_BYTES, free_zeros
from prunetool.pruning.bits import BITS_A_BYTE


def estimate_sparse_bytes(
    shape: Sequence[int], *, itemsize: int, nonzeros: int, dead_channels: Sequence[int]
) -> int:
    """Give the bytes of bits and values in the cheapest layout, as ``choice.py`` chooses.

    The same as what an export writes, but for three things that are not known here: an export
    stores -0.0 as a value, which makes it larger; it may leave out whole kernels or slices along
    dim 2 and above, which makes it smaller; and over all tensors of a file it leaves out so many
    zeros for free at most.

    Args:
        itemsize: bytes of an element.
        nonzeros: elements that are not zero.
        dead_channels: how many slices are all zero along dim 0, and along dim 1; or nothing.

    Returns:
        Bytes without the names in the file's header; those of all elements where that is less.
    """
    elements = math.prod(shape)
    layouts = _layouts(tuple(shape), nonzeros, dead_channels)
    sizes = [stored * itemsize + -(-mask // BITS_A_BYTE) for mask, stored in layouts]
    dense = elements * itemsize
    return min(sizes) if min(sizes) + NAMED_BYTES < dense else dense


def _layouts(
    shape: tuple[int, ...], nonzeros: int, dead_channels: Sequence[int]
) -> Iterator[tuple[int, int]]:
    """Yield the elements of each possible mask, and how many values it stores."""
    elements = math.prod(shape)
    yield elements, nonzeros
    slices = [(1, 1)] if nonzeros == 0 else []
    slices += list(zip(shape, dead_channels, strict=False))
    for count, dead in slices:
        stored = 0 if nonzeros == 0 else elements // max(count, 1) * (count - dead)
        if free_zeros(elements, stored) <= FREE_ZEROS:
            yield count, stored
