"""How each tensor is stored with the fewest bytes, and how few there could be.

The least that any code needs for a tensor, on average over all tensors with as many zeros in such
places: the bits of its values, and the logarithm of the number of places where they could be. Of n
elements of b bits, the smallest of

    n b                                    all of them
    k b + log2 C(n, k)                     k elements that are not zero
    k (n / s) b + log2 C(s, k)             k of s slices (channels, kernels) with anything in them
    (n / M) (N b + log2 C(M, N))           at most N of every M neighbours along dim 1
"""

from __future__ import annotations

import math
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from prunetool.checkpoints.conversion import Conversion
from prunetool.checkpoints.nonzeros import bits_of, count_nonzeros
from prunetool.checkpoints.progress import Advance, unseen
from prunetool.checkpoints.sparse.metadata import (
    FREE_ZEROS,
    NAMED_BYTES,
    free_zeros,
    stored_names,
)
from prunetool.checkpoints.sparse.patterns import Patterns
from prunetool.pruning.bits import BITS_A_BYTE


@dataclass(frozen=True)
class SparseLayout:
    """How a tensor is stored sparsely.

    Attributes:
        mask_shape: broadcasts to the tensor's shape; that itself for single elements.
        stored: how many values.
        kept: a bool for each element of the mask, row-major; None for single elements.
    """

    mask_shape: tuple[int, ...]
    stored: int
    kept: Tensor | None

    @property
    def bits_bytes(self) -> int:
        """Bytes that the mask takes."""
        return -(-math.prod(self.mask_shape) // BITS_A_BYTE)


@dataclass(frozen=True)
class Sizes:
    """What the tensors of a sparse export take otherwise.

    Attributes:
        dense: bytes of all values, stored densely.
        limit: bytes that no code goes below, rounded up.
        negative_zeros: elements that are -0.0, which are stored as values.
        negative_bytes: what these take.
    """

    dense: int
    limit: int
    negative_zeros: int = 0
    negative_bytes: int = 0


def choose_layouts(
    conversions: Mapping[str, Conversion],
    *,
    taken: Container[str] = (),
    advance: Advance = unseen,
) -> tuple[dict[str, SparseLayout], Sizes]:
    """Go through all tensors and choose the cheapest layout for each.

    Args:
        conversions: the tensors by the names that they are to have.
        taken: other names that mean a tensor.

    Returns:
        The layouts of the tensors that gain by being stored sparsely, and the sizes.
    """
    layouts: dict[str, SparseLayout] = {}
    dense, limit, free, negative, negative_bytes = 0, 0.0, 0, 0, 0
    for name, conversion in conversions.items():
        patterns, nonzeros = _patterns(conversion, advance)
        negative += patterns.stored - nonzeros
        negative_bytes += (patterns.stored - nonzeros) * conversion.dtype.itemsize
        dense += conversion.nbytes
        limit += _limit(patterns, conversion)
        if any(it in conversions or it in taken for it in stored_names(name)):
            continue
        elements = conversion.tensor.elements
        layout = _cheapest(patterns, conversion, FREE_ZEROS - free)
        if layout is not None:
            layouts[name] = layout
            free += 0 if layout.kept is None else free_zeros(elements, layout.stored)
    return layouts, Sizes(dense, math.ceil(limit / BITS_A_BYTE), negative, negative_bytes)


def _patterns(conversion: Conversion, advance: Advance) -> tuple[Patterns, int]:
    """Go through a tensor: what is not +0.0, and how many elements are not zero at all."""
    patterns = Patterns(conversion.tensor.shape)
    start = nonzeros = 0
    for read, converted in conversion.pieces(patterns.piece):
        patterns.see(bits_of(converted) != 0, start)
        start += converted.numel()
        nonzeros += count_nonzeros(converted)
        advance(read.nbytes)
    return patterns, nonzeros


def _cheapest(patterns: Patterns, conversion: Conversion, free: int) -> SparseLayout | None:
    """Return None where dense is cheapest; of equal ones the earlier in the list of layouts."""

    def cost(layout: SparseLayout) -> int:
        return layout.stored * conversion.dtype.itemsize + layout.bits_bytes + NAMED_BYTES

    elements = conversion.tensor.elements
    possible = [
        it
        for it in _layouts(patterns, conversion)
        if it.kept is None or free_zeros(elements, it.stored) <= free
    ]
    best = min(possible, key=cost)
    return best if cost(best) < conversion.nbytes else None


def _layouts(patterns: Patterns, conversion: Conversion) -> Iterator[SparseLayout]:
    shape = tuple(conversion.tensor.shape)
    if patterns.stored == 0:
        yield SparseLayout((1,) * len(shape), 0, torch.zeros(1, dtype=torch.bool))
    for way in patterns.slices:
        stored = int(way.kept.count_nonzero()) * way.elements
        yield SparseLayout(way.mask_shape, stored, way.kept)
    yield SparseLayout(shape, patterns.stored, None)


def _limit(patterns: Patterns, conversion: Conversion) -> float:
    elements, bits = conversion.tensor.elements, conversion.dtype.itemsize * BITS_A_BYTE
    limits = [
        float(elements * bits),
        patterns.stored * bits + log2_choices(elements, patterns.stored),
    ]
    for way in patterns.slices:
        kept = int(way.kept.count_nonzero())
        limits.append(kept * way.elements * bits + log2_choices(way.kept.numel(), kept))
    for kept, group in patterns.groups:
        limits.append(elements // group * (kept * bits + log2_choices(group, kept)))
    return min(limits)


def log2_choices(count: int, chosen: int) -> float:
    """Return the binary logarithm of the number of ways to choose ``chosen`` of ``count``."""
    ways = math.lgamma(count + 1) - math.lgamma(chosen + 1) - math.lgamma(count - chosen + 1)
    return max(ways / math.log(2), 0.0)
