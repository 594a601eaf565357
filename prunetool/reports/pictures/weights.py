"""What pictures need of the weights, from one pass: how they are spread, where they are zero."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from math import ceil, prod

import torch
from torch import Tensor

from prunetool.checkpoints.progress import Advance, unseen
from prunetool.checkpoints.tensors import NamedTensor
from prunetool.pruning.histograms import ValueCounts, count_values

_ROWS, _COLUMNS = 256, 384  # pixels of a mask picture at most
_PIECE = 2**19  # elements read at once


@dataclass(frozen=True)
class MaskGrid:
    """Where a tensor is not zero, seen as a matrix: dim 0 downwards, all others across.

    Attributes:
        rows, columns: of the matrix.
        block: how many rows and columns a cell of ``kept`` stands for; (1, 1) for elements.
        kept: nonzero elements of each block, int64 of at most 256 x 384.
    """

    rows: int
    columns: int
    block: tuple[int, int]
    kept: Tensor

    @property
    def sizes(self) -> Tensor:
        """Elements of each block, of the shape of ``kept``: those at the ends may be smaller."""
        down, across = (
            torch.tensor([min(step, length - at) for at in range(0, length, step)])
            for length, step in zip((self.rows, self.columns), self.block, strict=True)
        )
        return down[:, None] * across[None, :]


@dataclass(frozen=True)
class Weights:
    """What was seen.

    Attributes:
        everything: the values of the tensors that are counted together.
        values: those of each tensor that is pictured, by name.
        grids: their masks, by name.
    """

    everything: ValueCounts
    values: dict[str, ValueCounts]
    grids: dict[str, MaskGrid]


def look_at(
    tensors: Iterable[NamedTensor],
    *,
    together: Collection[str],
    pictured: Collection[str],
    advance: Advance = unseen,
) -> Weights:
    """Read tensors once.

    Args:
        tensors: floating ones.
        together: names of those whose values are counted together.
        pictured: names of those to picture one by one.
        advance: told the bytes gone through.
    """
    everything = ValueCounts.none()
    values, grids = {}, {}
    for tensor in tensors:
        grid = _Grid(tensor) if tensor.name in pictured and tensor.elements else None
        counts = ValueCounts.none()
        for start in range(0, tensor.elements, _PIECE):
            piece = tensor.flat(start, min(start + _PIECE, tensor.elements))
            piece = piece if piece.dtype == torch.float64 else piece.float()
            counts += count_values(piece)
            if grid is not None:
                grid.see(start, piece)
            advance(piece.numel() * tensor.dtype.itemsize)
        if tensor.name in together:
            everything += counts
        if grid is not None:
            values[tensor.name], grids[tensor.name] = counts, grid.seen()
    return Weights(everything, values, grids)


class _Grid:
    def __init__(self, tensor: NamedTensor) -> None:
        shape = tuple(tensor.shape)
        self._rows = shape[0] if len(shape) > 1 else 1
        self._columns = prod(shape) // self._rows
        self._block = ceil(self._rows / _ROWS), ceil(self._columns / _COLUMNS)
        self._across = ceil(self._columns / self._block[1])
        self._kept = torch.zeros(ceil(self._rows / self._block[0]) * self._across, dtype=torch.long)

    def see(self, start: int, values: Tensor) -> None:
        places = values.nonzero().view(-1) + start
        row = places.div(self._columns, rounding_mode="floor")
        column = places - row * self._columns
        row = row.div(self._block[0], rounding_mode="floor")
        column = column.div(self._block[1], rounding_mode="floor")
        self._kept += torch.bincount(row * self._across + column, minlength=len(self._kept))

    def seen(self) -> MaskGrid:
        return MaskGrid(self._rows, self._columns, self._block, self._kept.view(-1, self._across))
