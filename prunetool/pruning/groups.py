"""N:M groups: which elements of a tensor may still go, without breaking the pattern."""

from __future__ import annotations

import torch
from torch import Tensor

from prunetool.pruning.pieces import piece_size

# Up to this size of a group its pairs are compared, which is faster than many tiny sorts.
_COMPARED = 16


def barred(
    scores: Tensor, pruned: Tensor, *, n: int, m: int, dim: int, absolute: bool = False
) -> Tensor:
    """Mark the elements that must stay so that ``n`` of each ``m`` along ``dim`` are left.

    Within a group, what is pruned ranks first, then the lower score, then the lower position
    along ``dim``; the elements of the last ``n`` ranks must stay.

    Args:
        scores: of the elements; the size along ``dim`` is a multiple of ``m``; no NaN.
        pruned: bool, of the same shape: what is gone already.
        n: elements kept in each group.
        m: size of a group.
        dim: the input dimension.
        absolute: the scores are the absolute values.

    Returns:
        A bool tensor of the same shape, contiguous.
    """
    stay = torch.empty(scores.shape, dtype=torch.bool, device=scores.device)
    rest = 1 if dim == 0 else 0  # a dimension that cuts no group, to go piece by piece along
    step = max(1, piece_size(scores.device) * scores.shape[rest] // max(1, scores.numel()))
    for start in range(0, scores.shape[rest], step):
        length = min(step, scores.shape[rest] - start)
        values, gone, out = (
            _members(x.narrow(rest, start, length), dim, m) for x in (scores, pruned, stay)
        )
        out.copy_(_ranks(values.abs() if absolute else values, gone) >= m - n)
    return stay


def _members(tensor: Tensor, dim: int, m: int) -> Tensor:
    """View a tensor with the members of its groups along a new first dimension of size ``m``."""
    return torch.unflatten(tensor, dim, (-1, m)).movedim(dim + 1, 0)


def _ranks(scores: Tensor, gone: Tensor) -> Tensor:
    """Rank the elements of each group, which lie along dimension 0; gone ones first."""
    m = scores.shape[0]
    scores = scores.to(torch.promote_types(scores.dtype, torch.float32)).contiguous()
    # Below all that competes; a competing -inf ranks with the lowest finite score.
    scores = scores.clamp(min=torch.finfo(scores.dtype).min).masked_fill(gone, -torch.inf)
    if m > _COMPARED:
        return scores.argsort(dim=0, stable=True).argsort(dim=0)
    ranks = torch.zeros(scores.shape, dtype=torch.uint8, device=scores.device)
    for j in range(m):
        for i in range(j):
            later_wins = scores[j] < scores[i]
            ranks[i] += later_wins
            ranks[j] += ~later_wins
    return ranks
