"""Tensors of a torch file whose values are stored in another form: sparse layouts, quantized."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from prunetool.checkpoints.sizes import is_size
from prunetool.checkpoints.torch_files.limits import (
    VIEWS_OF_A_BYTE,
    VIEWS_OF_ANY_FILE,
    RefusedError,
)
from prunetool.checkpoints.torch_files.recipes import RecipeTensor
from prunetool.checkpoints.torch_files.standins import Made, Name
from prunetool.checkpoints.torch_files.storages import Storage, stored_dtype
from prunetool.checkpoints.torch_files.views import (
    View,
    ViewTensor,
    checked_view,
    shape_of,
    strides_of,
)
from prunetool.errors import CheckpointError

_GET_LAYOUT = Name("torch.serialization", "_get_layout")
_COMPRESSED = {
    f"torch.{name}": getattr(torch, name)
    for name in ("sparse_csr", "sparse_csc", "sparse_bsr", "sparse_bsc")
}
_INTEGERS = {torch.qint8: torch.int8, torch.quint8: torch.uint8, torch.qint32: torch.int32}
_ONE_AT_A_TIME = threading.Lock()  # warnings are those of all threads
_PER_TENSOR = "per_tensor_affine"
_PER_CHANNEL = ("per_channel_affine", "per_channel_affine_float_qparams")


class DerivedTensor(RecipeTensor):
    """A tensor that has to be computed; all of it is in memory while it is gone through.

    Args:
        parts: the tensors it is made of.
        compute: returns its dense values.
    """

    def __init__(
        self,
        shape: torch.Size,
        dtype: torch.dtype,
        parts: tuple[ViewTensor, ...],
        compute: Callable[[], Tensor],
        recipe: Made,
    ) -> None:
        super().__init__(shape, dtype, recipe)
        stored = sum(part.nbytes for part in parts)
        if self.nbytes > max(VIEWS_OF_A_BYTE * stored, VIEWS_OF_ANY_FILE):
            raise RefusedError(f"a tensor of {self.nbytes} bytes made of {stored}")
        self._parts = parts
        self._compute = compute
        self._whole: Tensor | None = None

    def flat(self, start: int, stop: int) -> Tensor:
        """Compute the tensor, and return a range of its elements."""
        whole = self._whole  # which another thread may forget
        if whole is None:
            with _ONE_AT_A_TIME:
                whole = self._whole = self._computed()
        values = whole[start:stop].clone()
        if stop == self.elements:
            self._whole = None
        return values

    def _computed(self) -> Tensor:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # torch calls some layouts experimental
                return self._compute().reshape(-1)
        except (RuntimeError, ValueError, IndexError) as error:
            path = self._parts[0].storage.source.path
            reason = " ".join(str(error).split())[:200]
            raise CheckpointError(
                f"{path}: a sparse or quantized tensor of {list(self.shape)} that is inconsistent "
                f"({reason}); copy the file again"
            ) from error


def sparse_tensor(args: tuple[Any, ...], recipe: Made) -> DerivedTensor | None:
    """Understand ``_rebuild_sparse_tensor(layout, (tensors ..., size, ...))``."""
    if len(args) != 2 or not isinstance(args[0], Made) or not isinstance(args[1], tuple):
        return None
    layout, data = args[0].parts, args[1]
    if layout[0] != _GET_LAYOUT or len(layout[1]) != 1:
        return None
    parts = tuple(part for part in data if isinstance(part, ViewTensor))
    if layout[1] == ("torch.sparse_coo",) and len(parts) == 2 and len(data) in (3, 4):
        shape = shape_of(data[2])
        indices, values = parts
        return DerivedTensor(
            shape,
            values.dtype,
            parts,
            lambda: torch.sparse_coo_tensor(
                indices.read(), values.read(), shape, check_invariants=True
            ).to_dense(),
            recipe,
        )
    kind = _COMPRESSED.get(layout[1][0]) if isinstance(layout[1][0], str) else None
    if kind is None or len(parts) != 3 or len(data) != 4:
        return None
    shape = shape_of(data[3])
    compressed, plain, values = parts

    def compute() -> Tensor:
        inside = compressed.read(), plain.read(), values.read()
        sparse = torch.sparse_compressed_tensor(*inside, shape, layout=kind, check_invariants=True)
        return sparse.to_dense()

    return DerivedTensor(shape, values.dtype, parts, compute, recipe)


def quantized_tensor(args: tuple[Any, ...], recipe: Made) -> DerivedTensor | None:
    """Understand ``_rebuild_qtensor(storage, offset, shape, stride, parameters, ...)``."""
    if len(args) < 5 or not isinstance(args[0], Storage) or not isinstance(args[4], tuple):
        return None
    storage, parameters = args[0], args[4]
    dtype = _INTEGERS.get(stored_dtype(storage.kind) or torch.float32)
    if dtype is None or not is_size(args[1]) or not isinstance(parameters[0], Name):
        return None
    view = View(args[1], shape_of(args[2]), strides_of(args[3]), dtype)
    if len(view.stride) != len(view.shape):
        return None
    integers = ViewTensor(storage, checked_view(storage, view), recipe)
    scheme = parameters[0].qualname
    if scheme == _PER_TENSOR and len(parameters) == 3:
        scale, zero = parameters[1:]
        if not isinstance(scale, int | float) or type(zero) is not int:
            return None
        return DerivedTensor(
            view.shape,
            torch.float32,
            (integers,),
            lambda: (integers.read().to(torch.int64) - zero).float() * scale,
            recipe,
        )
    if scheme not in _PER_CHANNEL or len(parameters) != 4 or not is_size(parameters[3]):
        return None
    scales, zeros, axis = parameters[1:]
    if not isinstance(scales, ViewTensor) or not isinstance(zeros, ViewTensor):
        return None
    along = [-1 if dim == axis else 1 for dim in range(len(view.shape))]
    return DerivedTensor(
        view.shape,
        torch.float32,
        (integers,),
        lambda: (
            (integers.read().double() - zeros.read().double().reshape(along))
            * scales.read().double().reshape(along)
        ).float(),
        recipe,
    )
