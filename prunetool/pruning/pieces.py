"""A tensor as one-dimensional pieces in row-major order, so that a pass stays in the cache."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

# A few float32 buffers of it stay in the cache. Shorter ones would be started and joined on all
# cores so often that a machine that is busy besides spends its time there.
_ON_CPU = 1 << 19
# Where an operation is launched, not called, it should be long.
_ELSEWHERE = 1 << 22


def piece_size(device: torch.device) -> int:
    """Give the most elements that a piece on ``device`` has: a multiple of 64."""
    return _ON_CPU if device.type == "cpu" else _ELSEWHERE


def pieces(tensor: Tensor) -> Iterator[Tensor]:
    """Yield the elements of ``tensor``, of any shape and memory format, in row-major order.

    Yields:
        One-dimensional tensors of at most :func:`piece_size` elements: views where the memory
        format allows, copies of the piece elsewhere.
    """
    size = piece_size(tensor.device)
    if tensor.numel() <= size or tensor.dim() <= 1 or tensor.is_contiguous():
        yield from torch.split(tensor.reshape(-1), size)
        return
    rows = size // (tensor.numel() // tensor.shape[0])
    if rows == 0:
        for row in tensor:
            yield from pieces(row)
        return
    for start in range(0, tensor.shape[0], rows):
        yield tensor[start : start + rows].reshape(-1)
