"""A tensor that is not there yet: known by shape and dtype, read when asked, and not kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class LazyTensor:
    """A tensor of a container that has no mapped memory to look at.

    Two names of one tensor (tied weights) have the same LazyTensor.

    Attributes:
        read: returns all values as a new tensor, and raises CheckpointError if it cannot.
    """

    shape: torch.Size
    dtype: torch.dtype
    read: Callable[[], Tensor]


Stored = Tensor | LazyTensor


def is_stored_tensor(value: object) -> bool:
    """Say whether ``value`` is a tensor of a file, mapped or still to be read."""
    return isinstance(value, Tensor | LazyTensor)


def dense(stored: Stored) -> Tensor:
    """Return an ordinary tensor: without gradient, not quantized, not of a sparse layout."""
    tensor = stored.read() if isinstance(stored, LazyTensor) else stored.detach()
    if tensor.is_quantized:
        return tensor.dequantize()
    return tensor if tensor.layout == torch.strided else tensor.to_dense()
