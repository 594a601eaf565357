"""Sparse files as the dense tensors that they stand for."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from prunetool.checkpoints.lazy import PIECE, LazyTensor
from prunetool.checkpoints.nonzeros import bits_of
from prunetool.checkpoints.packed_bits import unpack_range
from prunetool.checkpoints.provenance import SPARSE
from prunetool.checkpoints.sparse.masks import spread_mask
from prunetool.checkpoints.sparse.metadata import (
    FREE_ZEROS,
    Shape,
    free_zeros,
    stored_names,
    understood,
    wrong,
)
from prunetool.errors import CheckpointError
from prunetool.pruning.bits import BITS_A_BYTE


def sparse_tensors(
    tensors: Mapping[str, LazyTensor], metadata: Mapping[str, str], path: Path
) -> dict[str, LazyTensor] | None:
    """Return the tensors that a sparse file stands for; None if it does not say that it is one.

    Args:
        tensors: what is stored in the file, by name.
        metadata: what else its header says.
        path: what to call it in messages.

    Returns:
        The sparse ones under their own names, and all others as they are.

    Raises:
        CheckpointError: if the file is not one of prunetool's, or is of a later version. That
            bits and values belong together is seen only when they are read, and raised then.
    """
    if SPARSE not in metadata:
        return None
    found = dict(tensors)
    free = 0
    for name, (shape, mask_shape) in understood(metadata[SPARSE], path).items():
        bits, values = (found.pop(stored, None) for stored in stored_names(name))
        if bits is None or values is None or name in tensors:
            raise wrong(path, f"{name} is not there as bits and values only")
        _check_bits(name, bits, values, mask_shape, path)
        if mask_shape != shape:
            free += free_zeros(math.prod(shape), values.elements)
        if values.elements > math.prod(shape) or free > FREE_ZEROS:
            raise wrong(path, f"{name}: {values.elements} values are no tensor of {list(shape)}")
        found[name] = SparseTensor(torch.Size(shape), mask_shape, bits, values, f"{path}: {name}")
    return found


def _check_bits(
    name: str, bits: LazyTensor, values: LazyTensor, mask_shape: Shape, path: Path
) -> None:
    needed = -(-math.prod(mask_shape) // BITS_A_BYTE)
    if bits.dtype != torch.uint8 or bits.shape != (needed,) or len(values.shape) != 1:
        raise wrong(
            path,
            f"{name}: expected {needed} bytes of bits for a mask of shape {list(mask_shape)} and "
            f"a row of values, found {list(bits.shape)} and {list(values.shape)}",
        )


class SparseTensor(LazyTensor):
    """A tensor of which a file holds the elements that are not zero.

    Args:
        shape: of the tensor.
        mask_shape: broadcasts to it.
        bits: of the mask, packed.
        values: the elements at its ones.
        place: what to call it in messages.
    """

    def __init__(
        self,
        shape: torch.Size,
        mask_shape: Shape,
        bits: LazyTensor,
        values: LazyTensor,
        place: str,
    ) -> None:
        super().__init__(shape, values.dtype)
        self._mask_shape = mask_shape
        self._bits = bits
        self._values = values
        self._place = place
        self._slices: Tensor | None = None
        # How many values are stored before element i * PIECE: known as far as it was read.
        self._stored_before = {0: 0}

    @property
    def identity(self) -> tuple[object, ...]:
        """Which stored tensors it is made of."""
        return self._bits.identity, self._values.identity, self._mask_shape, tuple(self.shape)

    def flat(self, start: int, stop: int) -> Tensor:
        """Return a range of elements; one after the other is fastest.

        Raises:
            CheckpointError: if bits and values do not belong together.
        """
        parts = [
            self._within_piece(max(start, at), min(stop, at + PIECE))
            for at in range(start // PIECE * PIECE, stop, PIECE)
        ]
        return torch.cat(parts) if len(parts) != 1 else parts[0]

    def _within_piece(self, start: int, stop: int) -> Tensor:
        number = start // PIECE
        stored = self._mask(start, stop)
        first = self._before(number) + self._count(number * PIECE, start)
        count = int(stored.count_nonzero())
        self._note(number, stop, first + count)
        if first + count > self._values.elements:
            raise self._unequal()
        result = torch.zeros(stop - start, dtype=self.dtype)
        bits_of(result)[stored] = bits_of(self._values.flat(first, first + count))
        return result

    def _mask(self, start: int, stop: int) -> Tensor:
        if self._mask_shape == tuple(self.shape):
            if stop == self.elements:
                self._check_unused_bits()
            return unpack_range(self._bits.flat, start, stop)
        if self._slices is None:
            self._check_unused_bits()
            count = math.prod(self._mask_shape)
            self._slices = unpack_range(self._bits.flat, 0, count)
        return spread_mask(self._slices, self._mask_shape, self.shape, start, stop)

    def _before(self, number: int) -> int:
        """Return how many values are stored before a piece; counts what was not read yet."""
        known = number
        while known not in self._stored_before:
            known -= 1
        for at in range(known, number):
            count = self._count(at * PIECE, (at + 1) * PIECE)
            self._stored_before[at + 1] = self._stored_before[at] + count
        return self._stored_before[number]

    def _note(self, number: int, stop: int, before: int) -> None:
        if stop == self.elements and before != self._values.elements:
            raise self._unequal()
        if stop == (number + 1) * PIECE:
            self._stored_before[number + 1] = before

    def _count(self, start: int, stop: int) -> int:
        return int(self._mask(start, stop).count_nonzero()) if start < stop else 0

    def _check_unused_bits(self) -> None:
        used = math.prod(self._mask_shape) % BITS_A_BYTE
        last = self._bits.elements
        if used and int(self._bits.flat(last - 1, last)) >> used:
            raise wrong(Path(self._place), "bits are set behind the last element")

    def _unequal(self) -> CheckpointError:
        return wrong(Path(self._place), "it has not as many values as bits that are set")
