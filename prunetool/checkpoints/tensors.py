"""A tensor of a file: known by name, shape and dtype at once, read when asked."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from prunetool.checkpoints.lazy import LazyTensor, Stored, dense
from prunetool.checkpoints.masks import Mask, MaskKind

View = tuple[int, int, tuple[int, ...], tuple[int, ...]]


@dataclass(frozen=True)
class NamedTensor:
    """One tensor under the name that the plain model gives it.

    Attributes:
        name: its fully qualified name, without what a pruning layout adds.
        stored: the values as the file has them, mapped or lazy, and not read yet.
        masks: what is to be applied to them; an element that any of them removes counts as zero.
    """

    name: str
    stored: Stored
    masks: tuple[Mask, ...] = ()

    @property
    def shape(self) -> torch.Size:
        """Known without reading."""
        return self.stored.shape

    @property
    def dtype(self) -> torch.dtype:
        """Known without reading."""
        return self.stored.dtype

    @property
    def nbytes(self) -> int:
        """Bytes of the values, stored densely."""
        return self.shape.numel() * self.dtype.itemsize

    @property
    def kinds(self) -> set[MaskKind]:
        """Who wrote the masks."""
        return {mask.kind for mask in self.masks}

    @property
    def identity(self) -> View | str:
        """Equal for two tensors that are one in memory (tied weights), and for no others."""
        return view_of(self.stored) or self.name

    def read(self) -> Tensor:
        """Return the values with masked elements set to zero; never a tensor to change in place.

        Raises:
            CheckpointError: if a mask is not one, or does not fit.
        """
        values = dense(self.stored)
        for mask in self.masks:
            values = values.masked_fill(~mask.read(self.shape), 0)
        return values


def view_of(tensor: Stored) -> View | None:
    """Tell which memory a tensor looks at; None where that has no meaning."""
    if isinstance(tensor, LazyTensor):
        return id(tensor), 0, tuple(tensor.shape), ()
    if tensor.layout != torch.strided or tensor.numel() == 0 or tensor.device.type == "meta":
        return None
    storage = tensor.untyped_storage().data_ptr()
    return storage, int(tensor.storage_offset()), tuple(tensor.shape), tensor.stride()
