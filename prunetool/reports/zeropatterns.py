"""The shape that the zeros of a tensor have: whole channels, N of every M, or single elements."""

from __future__ import annotations

import torch
from torch import Tensor

ELEMENTS = "elements"
CHANNELS = "channels"
# N:M in the order of the test: zeros in 2 of 4 are zeros in 4 of 8 too.
GROUP_PATTERNS = ((2, 4), (4, 8), (1, 4))  # (kept at most, of how many in a row)
_INPUT_DIM = 1
# A tensor with far more zeros than N:M needs has them for another reason. Fraction of all.
_GROUP_SURPLUS = 0.05


def zero_pattern(values: Tensor) -> str | None:
    """Name the pattern of the zeros in a dense tensor.

    Returns:
        ``None`` without zeros; ``"channels:DIM"`` if the zeros are whole slices along DIM (the
        lowest such DIM) of more than one element each; ``"N:M"`` if of every M neighbours along
        the input dimension at most N are not zero, and the sparsity is about that;
        else ``"elements"``.
    """
    nonzero = values != 0
    zeros = nonzero.numel() - int(nonzero.count_nonzero())
    if zeros == 0:
        return None
    for dim in range(nonzero.dim()):
        if _zeros_in_empty_slices(nonzero, dim) == zeros:
            return f"{CHANNELS}:{dim}"
    for kept, group in GROUP_PATTERNS:
        surplus = zeros / nonzero.numel() - (1 - kept / group)
        # With fewer zeros than the pattern has, there is no need to look: the sums are large.
        if abs(surplus) <= _GROUP_SURPLUS and _keeps_at_most(nonzero, kept, group):
            return f"{kept}:{group}"
    return ELEMENTS


def _zeros_in_empty_slices(nonzero: Tensor, dim: int) -> int:
    """Count the zeros that lie in slices along ``dim`` without any other element."""
    slice_size = nonzero.numel() // nonzero.shape[dim]
    if slice_size < 2:
        return -1
    others = [other for other in range(nonzero.dim()) if other != dim]
    return int((~nonzero.any(dim=others)).sum()) * slice_size


def _keeps_at_most(nonzero: Tensor, kept: int, group: int) -> bool:
    if nonzero.dim() <= _INPUT_DIM or nonzero.shape[_INPUT_DIM] % group:
        return False
    rows, width, *rest = nonzero.shape
    groups = nonzero.reshape(rows, width // group, group, *rest)
    return bool((groups.sum(dim=_INPUT_DIM + 1, dtype=torch.int32) <= kept).all())
