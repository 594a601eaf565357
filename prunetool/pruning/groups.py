"""N:M groups: which elements of a tensor may still go, without breaking the pattern."""

from __future__ import annotations

import torch
from torch import Tensor

from prunetool.pruning.pieces import piece_size

# Up to this size of a group its pairs are compared, which is faster than many tiny sorts.
_COMPARED = 16


def barred(
    scores: Tensor,
    pruned: Tensor | None,
    *,
    n: int,
    m: int,
    dim: int,
    absolute: bool = False,
) -> Tensor:
    """Mark the elements that must stay so that ``n`` of each ``m`` along ``dim`` are left.

    Within a group, what is pruned ranks first, then the lower score, then the lower position
    along ``dim``; the elements of the last ``n`` ranks must stay.

    Args:
        scores: of the elements; the size along ``dim`` is a multiple of ``m``; no NaN.
        pruned: bool, of the same shape: what is gone already; None for nothing.
        n: elements kept in each group.
        m: size of a group.
        dim: the input dimension.
        absolute: the scores are the absolute values.

    Returns:
        A bool tensor of the same shape, contiguous.
    """
    stay = torch.empty(scores.shape, dtype=torch.uint8, device=scores.device)
    rest = 1 if dim == 0 else 0  # a dimension that cuts no group, to go piece by piece along
    step = max(1, piece_size(scores.device) * scores.shape[rest] // max(1, scores.numel()))

    def members(tensor: Tensor, start: int) -> Tensor:
        """View a piece with the members of its groups along a new first dimension."""
        length = min(step, scores.shape[rest] - start)
        piece = tensor.narrow(rest, start, length)
        return torch.unflatten(piece, dim, (-1, m)).movedim(dim + 1, 0)

    wide = torch.promote_types(scores.dtype, torch.float32)
    for start in range(0, scores.shape[rest], step):
        values = members(scores, start).to(wide, memory_format=torch.contiguous_format, copy=True)
        values = values.abs_() if absolute else values
        if pruned is not None:
            # Below all that competes; a competing -inf ranks with the lowest finite score.
            values.clamp_(min=torch.finfo(wide).min)
            values.masked_fill_(members(pruned, start), -torch.inf)
        members(stay, start).copy_(_ranks(values).ge_(m - n))
    return stay.view(torch.bool)


def _ranks(values: Tensor) -> Tensor:
    """Rank the values along dimension 0, equal ones in order: float, of the same shape."""
    m = values.shape[0]
    if m > _COMPARED:
        return values.argsort(dim=0, stable=True).argsort(dim=0).to(values.dtype)
    ranks = torch.arange(m, dtype=values.dtype, device=values.device)
    ranks = ranks.view(-1, *[1] * (values.dim() - 1)).repeat(1, *values.shape[1:])
    overtakes = torch.empty_like(values[0])  # as floats, like all of a pass: see sieve.py
    for later in range(m):
        for earlier in range(later):
            torch.lt(values[later], values[earlier], out=overtakes)
            ranks[earlier].add_(overtakes)
            ranks[later].sub_(overtakes)
    return ranks
