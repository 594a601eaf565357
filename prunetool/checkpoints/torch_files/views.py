"""Tensors of a torch file: views of its storages, checked before anything is read."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from prunetool.checkpoints.sizes import DIMENSIONS, END, are_sizes, capacity
from prunetool.checkpoints.torch_files.limits import (
    VIEWS_OF_ANY_FILE,
    ImpossibleError,
    RefusedError,
)
from prunetool.checkpoints.torch_files.recipes import RecipeTensor
from prunetool.checkpoints.torch_files.standins import Made
from prunetool.checkpoints.torch_files.storages import Storage


@dataclass(frozen=True)
class View:
    """Which elements of a storage a tensor shows.

    Attributes:
        offset: of the first one, in elements.
        shape: of the tensor.
        stride: distance of neighbours along each dimension, in elements.
        dtype: of the elements.
        conjugated: whether complex numbers are to be conjugated.
        negated: whether the signs are to be changed.
    """

    offset: int
    shape: torch.Size
    stride: tuple[int, ...]
    dtype: torch.dtype
    conjugated: bool = False
    negated: bool = False

    @property
    def span(self) -> int:
        """Elements of the storage from the first one shown to the last."""
        reach = zip(self.shape, self.stride, strict=True)
        return 1 + sum((size - 1) * step for size, step in reach) if self.shape.numel() else 0

    @property
    def is_plain(self) -> bool:
        """Whether the elements are stored one after the other, as they are."""
        expected = 1
        for size, step in zip(reversed(self.shape), reversed(self.stride), strict=True):
            if size != 1 and step != expected:
                return False
            expected *= size
        return not (self.conjugated or self.negated)


class ViewTensor(RecipeTensor):
    """A tensor of a torch file.

    Attributes:
        storage: what it looks at; other tensors may look at it too.
        view: which elements it shows.
    """

    def __init__(self, storage: Storage, view: View, recipe: Made) -> None:
        super().__init__(view.shape, view.dtype, recipe)
        self.storage = storage
        self.view = view
        self._whole: Tensor | None = None

    @property
    def identity(self) -> Hashable:
        """Which elements of which bytes."""
        return id(self.storage.source), self.storage.start, self.view

    def flat(self, start: int, stop: int) -> Tensor:
        """Read a range of elements; the whole tensor, if it is not stored in its own order."""
        if self.view.is_plain:
            return self._elements(self.view.offset + start, stop - start)
        whole = self._whole  # which another thread may forget
        if whole is None:
            whole = self._whole = self._gathered()
        values = whole[start:stop].clone()
        if stop == self.elements:
            self._whole = None
        return values

    def _elements(self, offset: int, count: int) -> Tensor:
        assert self.storage.start is not None
        at = self.storage.start + offset * self.dtype.itemsize
        return self.storage.source.read_tensor(at, count, self.dtype)

    def _gathered(self) -> Tensor:
        view = self.view
        span = self._elements(view.offset, view.span)
        values = span.as_strided(view.shape, view.stride) if view.shape.numel() else span
        if view.conjugated:
            values = values.conj()
        if view.negated:
            values = -values
        return values.resolve_conj().reshape(-1)


def checked_view(storage: Storage, view: View) -> View:
    """Make sure that a tensor lies in its storage and is not made of few elements without end.

    Raises:
        ImpossibleError: if it does not.
        RefusedError: if it is.
    """
    needed = (view.offset + view.span) * view.dtype.itemsize
    if view.shape.numel() and needed > storage.nbytes:
        raise ImpossibleError(
            f"a tensor of {_shown(view.shape)} of {view.dtype} that needs {needed} bytes of a "
            f"storage of {storage.nbytes}"
        )
    size = view.shape.numel() * view.dtype.itemsize
    if size > max(storage.nbytes, VIEWS_OF_ANY_FILE):
        raise RefusedError(
            f"a tensor of {_shown(view.shape)} of {view.dtype}, {size} bytes, that shows the same "
            f"{storage.nbytes} bytes again and again"
        )
    return view


def shape_of(values: Any) -> torch.Size:
    """Take a file's value for a shape.

    Raises:
        ImpossibleError: if it is not a short sequence of whole numbers from 0 on.
    """
    shape = strides_of(values)
    if capacity(shape) >= END:
        raise ImpossibleError(f"a tensor of {_shown(shape)}")
    return torch.Size(shape)


def strides_of(values: Any) -> tuple[int, ...]:
    """Take a file's value for strides; raises as :func:`shape_of` does."""
    if not are_sizes(values):
        raise ImpossibleError("a tensor without a shape of whole numbers from 0 on")
    if len(values) > DIMENSIONS:
        raise ImpossibleError(f"a tensor of {len(values)} dimensions")
    return tuple(values)


def _shown(shape: Sequence[int]) -> str:
    return str(list(shape))[:99]
