"""The scores of channels of which several processes hold elements: one vector, alike in all."""

from __future__ import annotations

from math import inf

import torch
from torch import Tensor

from prunetool.pruning import ranks
from prunetool.pruning.criteria import Norm, channel_norm, channel_sum
from prunetool.pruning.shards import Shard


def channel_scores_across(scores: Tensor, shard: Shard, *, dim: int, norm: Norm | None) -> Tensor:
    """Score each channel of the whole tensor; a collective.

    A process that holds whole channels scores them as if it were alone. Where channels are cut,
    each adds up the powers of its elements in double precision, and so do all together: the
    result is that of the whole tensor, rounded once.

    Args:
        scores: of the elements that this process holds.
        shard: which they are.
        dim: counts the channels.
        norm: of a channel; None for the sum of its scores.

    Returns:
        A vector of ``shard.shape[dim]`` scores on the device of ``scores``.

    Raises:
        ValueError: for the nuclear norm of channels that are cut.
    """
    dim %= scores.dim()
    wide = torch.promote_types(scores.dtype, torch.float32)
    channels = torch.zeros(shard.shape[dim], dtype=torch.float64, device=scores.device)
    size = shard.sizes[dim]
    part = channels.narrow(0, shard.offsets[dim] if size else 0, size)
    are_whole = all(shard.holds_all_of(other) for other in range(scores.dim()) if other != dim)
    if are_whole:
        if shard.counted and scores.numel():
            part.copy_(_scored(scores, dim, norm))
        return ranks.total(channels, shard.device).to(wide)
    if norm == "nuc":
        raise ValueError("the nuclear norm needs whole channels in each process")
    order = 2 if norm == "fro" else norm
    if order in (inf, -inf):
        return _extreme(scores, channels, part, shard, dim, highest=order == inf).to(wide)
    if shard.counted and scores.numel():
        part.copy_(_powers(scores, dim, order))
    channels = ranks.total(channels, shard.device)
    if isinstance(order, int | float) and order != 0:
        channels = channels.pow(1 / order) if order != 2 else channels.sqrt()
    return channels.to(wide)


def _scored(scores: Tensor, dim: int, norm: Norm | None) -> Tensor:
    if norm is None:
        return channel_sum(scores, dim=dim)
    return channel_norm(scores, dim=dim, norm=norm)


def _powers(scores: Tensor, dim: int, order: Norm | None) -> Tensor:
    others = [d for d in range(scores.dim()) if d != dim]
    if order is None:
        return scores.detach().sum(dim=others, dtype=torch.float64)
    if order == 0:
        return (scores.detach() != 0).sum(dim=others, dtype=torch.float64)
    assert not isinstance(order, str)
    norms: Tensor = torch.linalg.vector_norm(
        scores.detach(), ord=order, dim=others, dtype=torch.float64
    )
    powers: Tensor = norms.pow(order)
    return powers


def _extreme(
    scores: Tensor, channels: Tensor, part: Tensor, shard: Shard, dim: int, *, highest: bool
) -> Tensor:
    """Give the largest magnitude of each channel, or the smallest."""
    others = [d for d in range(scores.dim()) if d != dim]
    sign = 1 if highest else -1
    channels.fill_(-inf)
    if scores.numel():
        magnitudes = scores.detach().abs()
        part.copy_(sign * (magnitudes.amax(others) if highest else magnitudes.amin(others)))
    return sign * ranks.largest(channels, shard.device)
