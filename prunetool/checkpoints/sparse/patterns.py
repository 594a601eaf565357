"""Which elements of a tensor are not zero, seen one piece at a time: in all, by slice, by group."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from prunetool.checkpoints.lazy import PIECE
from prunetool.pruning.bits import BITS_A_BYTE

_GROUPS = ((2, 4), (4, 8), (1, 4))  # (kept at most, of how many neighbours along dim 1)
_MOST_SLICES = 2**26  # a byte of memory for each
_FEW = 64  # columns that are faster joined one by one than by one reduction


@dataclass(frozen=True)
class Slices:
    """A way to cut a tensor into slices.

    Attributes:
        mask_shape: of the tensor's dims; 1 where a slice goes through the whole dim.
        elements: in one slice.
        kept: a bool for each slice, True where any of its elements is stored.
    """

    mask_shape: tuple[int, ...]
    elements: int
    kept: Tensor


class Patterns:
    """What is known of a tensor after all its pieces were seen.

    Args:
        shape: of the tensor.

    Attributes:
        stored: elements with any bit set.
        groups: the (N, M) for which at most N of every M neighbours along dim 1 are stored.
    """

    def __init__(self, shape: Sequence[int]) -> None:
        self._shape = tuple(shape)
        self._elements = math.prod(shape)
        self._slices = [_slices(self._shape, dims) for dims in _ways_to_cut(self._shape)]
        self._inner = math.prod(self._shape[2:])
        self.stored = 0
        self.groups = [it for it in _GROUPS if self._may_have(it[1])]

    @property
    def piece(self) -> int:
        """Elements to be seen at once: whole groups of each kind."""
        together = max(self._inner, 1) * BITS_A_BYTE
        return max(PIECE // together, 1) * together if self.groups else PIECE

    @property
    def slices(self) -> list[Slices]:
        """The ways to cut the tensor in which some slice is empty."""
        return [it for it in self._slices if not bool(it.kept.all())]

    def see(self, stored: Tensor, start: int) -> None:
        """Take the next piece: a one-dimensional bool tensor that begins at element ``start``."""
        self.stored += int(stored.count_nonzero())
        for way in self._slices:
            _note_slices(way, self._shape, stored, start)
        if start + stored.numel() == self._elements or start == 0:
            # Most have no empty slice along most dims; the first piece says so, but for dim 0.
            self._slices = [it for it in self._slices if not bool(it.kept.all())]
        self.groups = [it for it in self.groups if self._keeps_at_most(*it, stored)]

    def _may_have(self, group: int) -> bool:
        if len(self._shape) < 2 or not self._elements:
            return False
        return self._shape[1] % group == 0 and self._inner * BITS_A_BYTE <= PIECE

    def _keeps_at_most(self, kept: int, group: int, stored: Tensor) -> bool:
        columns = stored.view(torch.uint8).reshape(-1, group, self._inner)
        return int(columns.sum(dim=1, dtype=torch.uint8).max()) <= kept


def _ways_to_cut(shape: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    elements = math.prod(shape)
    ways: list[tuple[int, ...]] = [(dim,) for dim in range(len(shape))]
    if len(shape) > 2 and shape[0] > 1 and shape[1] > 1:
        ways.append((0, 1))  # kernels
    for dims in ways:
        count = math.prod(shape[dim] for dim in dims)
        if 1 < count <= _MOST_SLICES and count < elements:
            yield dims


def _slices(shape: tuple[int, ...], dims: tuple[int, ...]) -> Slices:
    mask_shape = tuple(size if dim in dims else 1 for dim, size in enumerate(shape))
    count = math.prod(mask_shape)
    return Slices(mask_shape, math.prod(shape) // count, torch.zeros(count, dtype=torch.bool))


def _note_slices(way: Slices, shape: tuple[int, ...], stored: Tensor, start: int) -> None:
    last = max(dim for dim, size in enumerate(way.mask_shape) if size > 1)
    inner = math.prod(shape[last + 1 :])
    blocks = _any_by_block(stored, start, inner)
    _join(way.kept, blocks, start // inner)


def _any_by_block(stored: Tensor, start: int, size: int) -> Tensor:
    """Join neighbours of one block of ``size`` elements; the first and last may be partial."""
    if size == 1:
        return stored
    head = min(-start % size, stored.numel())
    whole = (stored.numel() - head) // size
    middle = stored[head : head + whole * size].reshape(whole, size)
    parts = [
        stored[:head].any().reshape(1) if head else stored[:0],
        _any_of_rows(middle),
    ]
    tail = stored[head + whole * size :]
    return torch.cat([*parts, tail.any().reshape(1)] if tail.numel() else parts)


def _any_of_rows(rows: Tensor) -> Tensor:
    if rows.shape[1] > _FEW:
        return rows.any(dim=1)
    joined = rows[:, 0].clone()
    for column in range(1, rows.shape[1]):
        joined |= rows[:, column]
    return joined


def _join(kept: Tensor, blocks: Tensor, first: int) -> None:
    """Join blocks, of which the first has number ``first``, into the slices they belong to."""
    period = kept.numel()
    at = first % period
    head = min(period - at, blocks.numel())
    kept[at : at + head] |= blocks[:head]
    whole = (blocks.numel() - head) // period
    if whole:
        kept |= blocks[head : head + whole * period].reshape(whole, period).any(dim=0)
    tail = blocks[head + whole * period :]
    kept[: tail.numel()] |= tail
