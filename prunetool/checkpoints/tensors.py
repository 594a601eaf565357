"""A tensor of a file: known by name, shape and dtype at once, read when asked, masks applied."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

import torch
from torch import Tensor

from prunetool.checkpoints.lazy import LazyTensor
from prunetool.checkpoints.masks import Mask, MaskKind, zero_removed


@dataclass(frozen=True)
class NamedTensor:
    """One tensor under the name that the plain model gives it.

    Attributes:
        name: its fully qualified name, without what a pruning layout adds.
        stored: the values as the file has them, not read yet.
        masks: what is to be applied to them; an element that any of them removes counts as zero.
    """

    name: str
    stored: LazyTensor
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
    def elements(self) -> int:
        """How many."""
        return self.stored.elements

    @property
    def nbytes(self) -> int:
        """Bytes of the values, stored densely."""
        return self.stored.nbytes

    @property
    def kinds(self) -> set[MaskKind]:
        """Who wrote the masks."""
        return {mask.kind for mask in self.masks}

    @property
    def identity(self) -> Hashable:
        """Equal for two tensors that are one in memory, masks too (tied weights); no others."""
        if not self.elements:
            return self.name
        return self.stored.identity, tuple(map(id, self.masks))

    def flat(self, start: int, stop: int) -> Tensor:
        """Return a range of elements in row-major order, masked ones set to zero.

        Raises:
            CheckpointError: if a mask is not one, does not fit, or the file cannot be read.
        """
        values = self.stored.flat(start, stop)
        for mask in self.masks:
            zero_removed(values, mask.flat(self.shape, start, stop))
        return values

    def read(self) -> Tensor:
        """Return all values with masked elements set to zero, as a new tensor.

        Raises:
            CheckpointError: if a mask is not one, or does not fit.
        """
        return self.flat(0, self.elements).reshape(self.shape)
