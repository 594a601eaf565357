"""The shape that the zeros of a tensor have: whole channels, N of every M, or single elements.

It is found in one pass, box by box, and a pattern is looked for only until a box refutes it.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

import torch
from torch import Tensor

from prunetool.reports.counting.boxes import INPUT_DIM, Box

ELEMENTS = "elements"
CHANNELS = "channels"
# N:M in the order of the test: zeros in 2 of 4 are zeros in 4 of 8 too.
GROUP_PATTERNS = ((2, 4), (4, 8), (1, 4))  # (kept at most, of how many in a row)
_STRICTEST_FIRST = ((1, 4), (2, 4), (4, 8))  # where one holds, those after it hold too
# A tensor with far more zeros than N:M needs has them for another reason. Fraction of all.
_GROUP_SURPLUS = 0.05
_FEWEST_IN_A_SLICE = 2


class ZeroPattern:
    """What the boxes of a tensor that were seen so far leave possible.

    Args:
        shape: of the tensor.
        cut: of the boxes, as ``box_shape`` gives it.
    """

    def __init__(self, shape: Sequence[int], cut: Sequence[int]) -> None:
        self._elements = torch.Size(shape).numel()
        self._zeros = 0
        self._channels = [
            _Slices(shape, cut, dim)
            for dim in range(len(shape))
            if self._elements >= _FEWEST_IN_A_SLICE * shape[dim]
        ]
        self._groups = [
            (kept, group)
            for kept, group in _STRICTEST_FIRST
            if len(shape) > INPUT_DIM and shape[INPUT_DIM] % group == 0
        ]

    def see(self, box: Box, values: Tensor, kept: int) -> None:
        """Take a box into account.

        Args:
            values: of the box, in its shape.
            kept: how many of them are not zero.
        """
        self._zeros += values.numel() - kept
        if self._channels or self._groups:
            nonzero = (values != 0) if 0 < kept < values.numel() else None
            self._channels = [it for it in self._channels if it.see(box, nonzero, kept)]
            self._groups = _not_refuted(self._groups, nonzero, kept)

    def name(self) -> str | None:
        """Name the pattern of the zeros, all boxes seen.

        Returns:
            ``None`` without zeros; ``"channels:DIM"`` if the zeros are whole slices along DIM
            (the lowest such DIM) of more than one element each; ``"N:M"`` if of every M
            neighbours along the input dimension at most N are not zero, and the sparsity is
            about that; else ``"elements"``.
        """
        if self._zeros == 0:
            return None
        for slices in self._channels:
            if slices.are_uniform():
                return f"{CHANNELS}:{slices.dim}"
        for kept, group in (it for it in GROUP_PATTERNS if it in self._groups):
            surplus = self._zeros / self._elements - (1 - kept / group)
            if abs(surplus) <= _GROUP_SURPLUS:
                return f"{kept}:{group}"
        return ELEMENTS


class _Slices:
    """Whether each slice along a dim is all zero or has no zero, as far as was seen."""

    def __init__(self, shape: Sequence[int], cut: Sequence[int], dim: int) -> None:
        self.dim = dim
        self._others = [other for other in range(len(shape)) if other != dim]
        self._size = torch.Size(shape).numel() // shape[dim]
        in_one_box = all(cut[other] == shape[other] for other in self._others)
        # Elements that are not zero, in each slice, where a box shows only a part of it.
        self._kept = None if in_one_box else torch.zeros(shape[dim], dtype=torch.int64)

    def see(self, box: Box, nonzero: Tensor | None, kept: int) -> bool:
        """Take a box into account; False if it has a slice of zeros and others.

        ``nonzero`` is None where the box itself has either no zero or nothing else.
        """
        start, stop = box[self.dim]
        if nonzero is None:
            if self._kept is not None:
                self._kept[start:stop] += kept // (stop - start)
            return True
        in_slices = nonzero.sum(dim=self._others, dtype=torch.int32)
        size = nonzero.numel() // (stop - start)
        if ((in_slices > 0) & (in_slices < size)).any():
            return False
        if self._kept is not None:
            self._kept[start:stop] += in_slices
        return True

    def are_uniform(self) -> bool:
        """Say so of all slices, all boxes seen."""
        kept = self._kept
        return kept is None or bool(((kept == 0) | (kept == self._size)).all())


def _not_refuted(
    groups: list[tuple[int, int]], nonzero: Tensor | None, kept: int
) -> list[tuple[int, int]]:
    """Drop the N:M that a box does not have; of those left, the first implies the others."""
    if nonzero is None:
        return groups if kept == 0 else []
    for place, (most, group) in enumerate(groups):
        # The first row refutes most of those that there are to refute.
        parts = (nonzero[:1], nonzero)
        if all(int(_in_groups(part, group).max()) <= most for part in parts):
            return groups[place:]
    return []


def _in_groups(nonzero: Tensor, group: int) -> Tensor:
    """Count what is not zero in each group of neighbours along the input dimension."""
    rows, width, *rest = nonzero.shape
    groups = nonzero.view(torch.uint8).reshape(rows, width // group, group, *rest)
    return functools.reduce(torch.add, groups.unbind(INPUT_DIM + 1))
