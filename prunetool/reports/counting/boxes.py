"""A tensor cut into boxes that are gone through one by one, each element in one of them.

A box holds slices from-to along each dim. Almost always it is one range of elements in row-major
order. Where the slices along dim 1 stand in groups (``GROUPS``), no group lies in two boxes.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

Box = tuple[tuple[int, int], ...]  # of each dim the first slice, and behind the last one

INPUT_DIM = 1
FEWEST_DIMS_OF_A_MATRIX = 2
GROUPS = (8, 4)  # how many neighbours along the input dimension may belong together
# A dim this many pieces long is cut along its slices, so that none of them is in two boxes: there
# may be more slices than fit into memory, and so nothing is to be remembered of each.
_LONG = 4


def box_shape(shape: Sequence[int], piece: int) -> tuple[int, ...]:
    """Say how many slices of each dim the boxes of a tensor have, those at its ends fewer.

    Args:
        shape: of the tensor; no dim of it is empty.
        piece: the elements of a box at most; a whole group of single elements where that is more.
    """
    for dim, size in enumerate(shape):
        others = torch.Size(shape).numel() // size
        group = _group(shape) if dim == INPUT_DIM else 1
        if size > _LONG * piece and others * group <= piece:
            return *shape[:dim], piece // others // group * group, *shape[dim + 1 :]
    return _rows(shape, piece)


def _rows(shape: Sequence[int], piece: int) -> tuple[int, ...]:
    """Cut the outermost dim that has to be cut, and take one slice of those before it."""
    group = _group(shape)
    cut: list[int] = []
    room = max(piece // group, 1)
    for dim, size in reversed(list(enumerate(shape))):
        if dim == INPUT_DIM:
            room *= group
        cut.insert(0, min(size, room))
        room = room // size if room >= size else 1
    return tuple(cut)


def _group(shape: Sequence[int]) -> int:
    if len(shape) <= INPUT_DIM:
        return 1
    return next((group for group in GROUPS if shape[INPUT_DIM] % group == 0), 1)


def boxes(shape: Sequence[int], cut: Sequence[int]) -> Iterator[Box]:
    """Cut a tensor of ``shape`` into boxes of at most ``cut`` slices, in row-major order."""
    sides = (
        [(start, min(start + step, size)) for start in range(0, size, step)]
        for size, step in zip(shape, cut, strict=True)
    )
    return itertools.product(*sides)


def read_box(flat: Callable[[int, int], Tensor], shape: Sequence[int], box: Box) -> Tensor:
    """Read a box.

    Args:
        flat: returns a range of elements of the tensor in row-major order, as a new tensor.

    Returns:
        A new tensor of the shape of the box.
    """
    parts = [flat(start, stop) for start, stop in _runs(shape, box)]
    values = parts[0] if len(parts) == 1 else torch.cat(parts)
    return values.reshape([stop - start for start, stop in box])


def _runs(shape: Sequence[int], box: Box) -> Iterator[tuple[int, int]]:
    """Yield the ranges of elements that a box is made of."""
    level = len(shape)
    stride = 1
    while level and box[level - 1] == (0, shape[level - 1]):
        level -= 1
        stride *= shape[level]
    # All dims from ``level`` on are whole; the one before is cut, and runs go along it.
    outer = box[: max(level - 1, 0)]
    first, last = box[level - 1] if level else (0, 1)
    for place in itertools.product(*(range(*side) for side in outer)):
        row = 0
        for index, size in zip(place, shape, strict=False):
            row = row * size + index
        start = row * (shape[level - 1] if level else 1)
        yield (start + first) * stride, (start + last) * stride
