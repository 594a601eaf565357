"""Channels of a tensor with nothing but zeros, counted box by box for zeros of any pattern.

Almost every box shows at a glance that it has none: it has too few zeros for one, the first few
elements of its rows are not all zero, or all of its columns were seen to hold something before.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prunetool.reports.counting.boxes import INPUT_DIM, Box

_FEW = 64  # elements of a row that are looked at first
_PICKED = 8  # one column of so many is faster picked out than gone through with the others
_WIDE = 1024  # elements that are joined at once: shorter rows are put side by side


class DeadChannels:
    """The slices along dims 0 and 1 that are all zero, as far as the boxes seen say.

    Args:
        shape: of the tensor; below two dims it has no channels.
        cut: of the boxes, as ``box_shape`` gives it.
    """

    def __init__(self, shape: Sequence[int], cut: Sequence[int]) -> None:
        dims = range(INPUT_DIM + 1) if len(shape) > INPUT_DIM else ()
        self._dims = [_OneDim(shape, cut, dim) for dim in dims]

    def see(self, box: Box, values: NDArray[Any], kept: int) -> None:
        """Take a box into account.

        Args:
            values: of the box, in its shape.
            kept: how many of them are not zero.
        """
        for it in self._dims:
            it.see(box, values, kept)

    def counts(self) -> tuple[int, ...]:
        """Give the number of dead channels along dim 0 and along dim 1, all boxes seen."""
        return tuple(it.dead for it in self._dims)


class _OneDim:
    """The slices along one dim.

    Attributes:
        dead: of those seen, how many hold nothing; where boxes show parts of slices, of all.
    """

    def __init__(self, shape: Sequence[int], cut: Sequence[int], dim: int) -> None:
        self._dim = dim
        in_one_box = all(cut[it] == size for it, size in enumerate(shape) if it != dim)
        # Which slices hold anything, where a box shows only a part of each.
        self._alive = None if in_one_box else np.zeros(shape[dim], dtype=bool)
        self.dead = 0 if in_one_box else shape[dim]

    def see(self, box: Box, values: NDArray[Any], kept: int) -> None:
        """Take a box into account, see ``DeadChannels``."""
        start, stop = box[self._dim]
        too_few_zeros = values.size - kept < values.size // (stop - start)
        if self._alive is None:
            if not too_few_zeros:
                self.dead += _falses(self._look_at(values)) if kept else stop - start
        elif kept and self.dead:
            alive = self._alive[start:stop]
            if too_few_zeros:
                alive[:] = True
            else:
                left = np.flatnonzero(~alive)
                if left.size:
                    alive[left] = self._look_at(values, left)
            self.dead = _falses(self._alive)

    def _look_at(
        self, values: NDArray[Any], left: NDArray[np.intp] | None = None
    ) -> NDArray[np.bool_]:
        """Say of each slice, or of those ``left``, whether it holds anything."""
        return _columns(values, left) if self._dim == INPUT_DIM else _rows(values, left)


def _rows(values: NDArray[Any], left: NDArray[np.intp] | None) -> NDArray[np.bool_]:
    """Say of slices along dim 0 whether they hold anything."""
    rows = values.reshape(values.shape[0], -1)
    if left is not None and left.size < rows.shape[0]:
        rows = rows[left]
    if rows.shape[1] <= _FEW:
        return _any_of_short(rows)
    found = np.asarray(rows[:, :_FEW].any(axis=1))
    if not found.all():
        seem_dead = np.flatnonzero(~found)
        found[seem_dead] = rows[seem_dead].any(axis=1)
    return found


def _columns(values: NDArray[Any], left: NDArray[np.intp] | None) -> NDArray[np.bool_]:
    """Say of slices along dim 1 whether they hold anything."""
    few = left is not None and left.size * _PICKED < values.shape[INPUT_DIM]
    picked = values[:, left] if few else values
    rows = _bits(picked).reshape(picked.shape[0], -1)
    found = _any_of_short(_joined(rows).reshape(picked.shape[INPUT_DIM], -1))
    return found if few or left is None else found[left]


def _joined(rows: NDArray[Any]) -> NDArray[Any]:
    """Join all rows into one; short ones are put side by side first."""
    together = min(_WIDE // rows.shape[1], rows.shape[0])
    if together > 1:
        whole = rows.shape[0] // together * together
        wide = np.bitwise_or.reduce(rows[:whole].reshape(-1, together * rows.shape[1]), axis=0)
        rows = np.concatenate([wide.reshape(together, -1), rows[whole:]])
    return np.asarray(np.bitwise_or.reduce(rows, axis=0))


def _any_of_short(rows: NDArray[Any]) -> NDArray[np.bool_]:
    """Join each row; of short ones the columns, which are longer."""
    if rows.shape[1] > _FEW:
        return np.asarray(rows.any(axis=1))
    return np.asarray(functools.reduce(np.bitwise_or, _bits(rows).T) != 0)


def _bits(values: NDArray[Any]) -> NDArray[Any]:
    """Give integers or bools that are zero where the values are."""
    return values if values.dtype.kind in "iub" else values != 0


def _falses(flags: NDArray[np.bool_]) -> int:
    return flags.size - int(np.count_nonzero(flags))
