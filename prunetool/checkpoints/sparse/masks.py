"""Masks of whole slices: small masks that broadcast to the shape of a tensor."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor


def spread_mask(
    kept: Tensor, mask_shape: Sequence[int], shape: Sequence[int], start: int, stop: int
) -> Tensor:
    """Return a range of what ``kept.reshape(mask_shape)`` is where it is broadcast to ``shape``.

    Args:
        kept: one-dimensional bools.
        mask_shape: of as many dims as ``shape``, each of the same size or 1.
        start: the first element of the range, in row-major order.
        stop: behind the last one.

    Returns:
        A new one-dimensional bool tensor.
    """
    if kept.numel() == 1:
        return kept.expand(stop - start).clone()
    places = torch.arange(start, stop)
    slices = torch.zeros_like(places)
    for dim, size in enumerate(mask_shape):
        if size == 1:
            continue
        inner = math.prod(shape[dim + 1 :])
        step = math.prod(mask_shape[dim + 1 :])
        along = places.div(inner, rounding_mode="floor") if inner > 1 else places
        slices += (along if dim == 0 else along % size) * step
    return kept[slices]
