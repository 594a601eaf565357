"""Tensors to be written into a torch file that are not in one yet, or not with these values."""

from __future__ import annotations

import math
import pickle
from collections import OrderedDict
from collections.abc import Iterator
from typing import Any

from torch import Tensor

from prunetool.checkpoints.lazy import LazyTensor, MemoryTensor, ranges
from prunetool.checkpoints.nonzeros import count_nonzeros
from prunetool.checkpoints.tensors import NamedTensor
from prunetool.checkpoints.torch_files.rebuilding import (
    FROM_TYPE,
    PARAMETER,
    PARAMETER_WITH_STATE,
    V2,
    V3,
)
from prunetool.checkpoints.torch_files.recipes import RecipeTensor
from prunetool.checkpoints.torch_files.standins import Made, Name
from prunetool.checkpoints.torch_files.storages import UNTYPED, storage_kind

Values = LazyTensor | NamedTensor
_GRADIENT = 4  # (storage, offset, shape, stride, requires_grad, hooks)


class NewStorage:
    """Values that take a storage of their own, in row-major order.

    Attributes:
        values: where they are read from while the file is written.
        kind: torch's class for it.
        nonzeros: how many there are, among values with masks, once all have been read.
    """

    def __init__(self, values: Values) -> None:
        self.values = values
        self.kind = storage_kind(values.dtype) or UNTYPED
        self.nonzeros = 0

    @property
    def nbytes(self) -> int:
        """How many."""
        return self.values.nbytes

    def pieces(self) -> Iterator[Tensor]:
        """Read all values, piece by piece."""
        self.nonzeros = 0
        masked = isinstance(self.values, NamedTensor) and bool(self.values.masks)
        for first, end in ranges(self.values.elements):
            values = self.values.flat(first, end)
            self.nonzeros += count_nonzeros(values) if masked else 0
            yield values


class NewTensor(RecipeTensor):
    """A tensor with other values than the one it takes the place of.

    Args:
        values: the new ones; anything that has the shape and dtype.
        like: the tensor that the file has now: whether it is a parameter, its attributes and its
            need of a gradient are kept.
    """

    def __init__(self, values: Values, like: object = None) -> None:
        self.values = values
        self.storage = NewStorage(values)
        old = like.recipe if isinstance(like, RecipeTensor) else None
        recipe = _recipe(values, self.storage, old, _needs_gradient(like))
        super().__init__(values.shape, values.dtype, recipe)

    def flat(self, start: int, stop: int) -> Tensor:
        """Read a range of the new values."""
        return self.values.flat(start, stop)


def recipe_of(tensor: LazyTensor) -> Made:
    """Return the call that makes a tensor when a torch file is read."""
    return (tensor if isinstance(tensor, RecipeTensor) else NewTensor(tensor)).recipe


def _needs_gradient(like: object) -> bool:
    return isinstance(like, MemoryTensor) and like.tensor.requires_grad


def _recipe(values: Values, storage: NewStorage, like: Made | None, gradient: bool) -> Made:
    """Bring new values into the calls that made the old ones: a parameter stays a parameter."""
    if like is None:
        return Made(pickle.REDUCE, _plain_call(values, storage, gradient))
    function, args = like.parts
    if function in (PARAMETER, PARAMETER_WITH_STATE):
        inner = _recipe(values, storage, args[0].recipe, False)
        return Made(pickle.REDUCE, (function, (inner, *args[1:])))
    if function == FROM_TYPE:
        inner = _recipe(values, storage, Made(pickle.REDUCE, (args[0], args[2])), False)
        return Made(pickle.REDUCE, (function, (inner.parts[0], args[1], inner.parts[1], args[3])))
    is_view = function in (V2, V3) and len(args) > _GRADIENT
    return Made(
        pickle.REDUCE,
        _plain_call(values, storage, gradient or (is_view and args[_GRADIENT] is True)),
    )


def _plain_call(
    values: Values, storage: NewStorage, gradient: bool
) -> tuple[Name, tuple[Any, ...]]:
    sizes = [max(size, 1) for size in values.shape]
    stride = tuple(math.prod(sizes[dim + 1 :]) for dim in range(len(sizes)))
    args: tuple[Any, ...] = (storage, 0, tuple(values.shape), stride, gradient, OrderedDict())
    if storage_kind(values.dtype) is None:
        return V3, (*args, values.dtype)
    return V2, args
