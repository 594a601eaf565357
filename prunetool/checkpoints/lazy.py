"""A tensor that is not there yet: known by shape and dtype, read piece by piece, never kept.

Whatever container a tensor is in, it is read as ranges of its elements in row-major order. So a
tensor larger than the memory can be counted, converted and written.
"""

from __future__ import annotations

import abc
from collections.abc import Hashable, Iterator
from typing import Any

import torch
from torch import Tensor

PIECE = 2**18  # elements that are in memory at once where a tensor is gone through; fits caches


class LazyTensor(abc.ABC):
    """A tensor of a container. Two names of one tensor (tied weights) have equal ``identity``."""

    def __init__(self, shape: torch.Size, dtype: torch.dtype) -> None:
        self.shape = shape
        self.dtype = dtype

    @property
    def elements(self) -> int:
        """How many."""
        return self.shape.numel()

    @property
    def nbytes(self) -> int:
        """Bytes of the values, stored densely."""
        return self.elements * self.dtype.itemsize

    @property
    def identity(self) -> Hashable:
        """Equal for two tensors that are one in memory, and for no others."""
        return id(self)

    @abc.abstractmethod
    def flat(self, start: int, stop: int) -> Tensor:
        """Return the elements from ``start`` up to ``stop``, in row-major order.

        Args:
            start: the first element, from 0 on.
            stop: behind the last one, at most ``elements``.

        Returns:
            A new one-dimensional tensor, which the caller may change.

        Raises:
            CheckpointError: if the file cannot be read.
        """

    def read(self) -> Tensor:
        """Return all values as a new tensor of the shape."""
        return self.flat(0, self.elements).reshape(self.shape)


class MemoryTensor(LazyTensor):
    """A tensor that is in memory, or mapped, already.

    Attributes:
        tensor: it, as it was given; quantized ones and sparse layouts read as dense values.
    """

    def __init__(self, tensor: Tensor) -> None:
        dtype = torch.float32 if tensor.is_quantized else tensor.dtype
        super().__init__(tensor.shape, dtype)
        self.tensor = tensor
        self._flat: Tensor | None = None

    @property
    def identity(self) -> Hashable:
        """Which memory it looks at."""
        it = self.tensor
        if it.layout != torch.strided or it.numel() == 0 or it.device.type == "meta":
            return id(it)
        place = it.untyped_storage().data_ptr(), int(it.storage_offset())
        return *place, tuple(it.shape), it.stride()

    def flat(self, start: int, stop: int) -> Tensor:
        """Return a copy of a range of elements; all are copied if they are in another order."""
        flat = self._flat  # which another thread may forget
        if flat is None:
            flat = self._flat = self._dense().reshape(-1)
        values = flat[start:stop].clone()
        if stop == self.elements:
            self._flat = None
        return values

    def _dense(self) -> Tensor:
        tensor = self.tensor.detach()
        if tensor.is_quantized:
            return tensor.dequantize()
        return tensor if tensor.layout == torch.strided else tensor.to_dense()


def as_lazy(value: Any) -> LazyTensor | None:
    """Take a value of a container for a tensor, if it is one."""
    if isinstance(value, Tensor):
        return MemoryTensor(value)
    return value if isinstance(value, LazyTensor) else None


def ranges(elements: int, piece: int = PIECE) -> Iterator[tuple[int, int]]:
    """Cut ``elements`` into ranges of ``piece``, a multiple of 8 so that bits stay in bytes."""
    for start in range(0, elements, piece):
        yield start, min(start + piece, elements)


def read_within(value: Any) -> Any:
    """Copy dicts, lists and tuples in each other, with the values of the tensors in them."""
    if isinstance(value, LazyTensor):
        return value.read()
    if isinstance(value, dict):
        return {key: read_within(child) for key, child in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(read_within(child) for child in value)
    return value
