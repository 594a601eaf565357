"""The scores of a target's units, for any criterion and pattern."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from prunetool.pruning.criteria import (
    Criterion,
    Norm,
    channel_norm,
    channel_sum,
    element_scores,
    random_scores,
)
from prunetool.pruning.draws import drawn_for_part
from prunetool.pruning.groups import barred
from prunetool.pruning.patterns import Channels, NOfM, Pattern
from prunetool.pruning.scores import Scores, refuse_nan
from prunetool.pruning.sharded_channels import channel_scores_across
from prunetool.pruning.shards import Shard
from prunetool.pruning.straddling import whole_groups
from prunetool.pruning.targets import Target


@dataclass(frozen=True)
class UnitScores:
    """The scores of one target's units.

    Attributes:
        scores: of the units; taken are those that are gone and those that must stay.
        staying: a flat bool tensor of the units that must stay for their pattern's sake; None
            where any may go.
    """

    scores: Scores
    staying: Tensor | None = None


def unit_scores(
    criterion: Criterion,
    pattern: Pattern,
    target: Target,
    pruned: Tensor,
    *,
    lost: int,
    norm: Norm,
    gathered: Tensor | None,
    generator: torch.Generator,
) -> UnitScores:
    """Score the units of ``target``; a collective where it is sharded.

    A channel's score is the norm of its elements' scores; where a score has a sign (movement), it
    is their sum.

    Args:
        criterion: what scores an element.
        pattern: what a unit is.
        target: the parameter.
        pruned: its mask, True where pruned; of this process's part.
        lost: units that are gone by it, in all processes.
        norm: for channels.
        gathered: from gradients, for the criteria that need them.
        generator: drawn from by :attr:`Criterion.RANDOM`.

    Raises:
        NanScoresError: if an N:M group cannot be ordered.
    """
    taken = pattern.gone(pruned, target.shard) if lost else None
    if criterion is Criterion.RANDOM:
        scores, absolute = _drawn(pattern, target, taken, generator), False
    else:
        scores, absolute = element_scores(criterion, target.part, gathered)
        if isinstance(pattern, Channels):
            scores = _of_channels(criterion, scores, pattern, norm, target.shard)
            absolute = False
    shard = None if isinstance(pattern, Channels) else target.shard
    gone = lost if shard is None else None  # how many of them are here is not known
    units = Scores(target.name, scores, absolute, taken, gone, shard=shard)
    if not isinstance(pattern, NOfM):
        return UnitScores(units)
    refuse_nan(units)
    stay = _staying(pattern, target, scores.view(pruned.shape), pruned if lost else None, absolute)
    if taken is None:
        return UnitScores(Scores(target.name, scores, absolute, stay, shard=shard), stay)
    stay &= ~taken
    held = stay | taken
    return UnitScores(Scores(target.name, scores, absolute, held, shard=shard), stay)


def _staying(
    pattern: NOfM, target: Target, scores: Tensor, pruned: Tensor | None, absolute: bool
) -> Tensor:
    """Mark what must stay for the sake of N:M; flat. Groups may be cut between processes."""
    dim, shard = target.input_dim, target.shard
    scored = whole_groups(scores, shard, dim=dim, m=pattern.m)
    gone = None
    if pruned is not None:
        gone = whole_groups(pruned, shard, dim=dim, m=pattern.m).tensor
    stay = barred(scored.tensor, gone, n=pattern.n, m=pattern.m, dim=dim, absolute=absolute)
    return scored.own(stay).reshape(-1)


def _of_channels(
    criterion: Criterion, scores: Tensor, pattern: Channels, norm: Norm, shard: Shard | None
) -> Tensor:
    if shard is not None:
        order = norm if criterion.is_magnitude_like else None
        return channel_scores_across(scores, shard, dim=pattern.dim, norm=order)
    if criterion.is_magnitude_like:
        return channel_norm(scores, dim=pattern.dim, norm=norm)
    return channel_sum(scores, dim=pattern.dim)


def _drawn(
    pattern: Pattern, target: Target, gone: Tensor | None, generator: torch.Generator
) -> Tensor:
    """Draw a score for each unit that is left.

    torch.nn.utils.prune draws for elements in the dtype of the weights and removes the largest;
    for channels it draws in the default dtype and removes the smallest.
    """
    weight, channels = target.part, isinstance(pattern, Channels)
    if target.shard is not None and not channels:
        drawn = drawn_for_part(gone, target.shard, dtype=weight.dtype, generator=generator)
        return drawn.neg_().to(weight.device)
    dtype = torch.get_default_dtype() if channels else weight.dtype
    units = pattern.units(target.parameter.shape)
    count = units if gone is None else units - int(gone.count_nonzero())
    drawn = random_scores(count, dtype=dtype, generator=generator).to(weight.device)
    drawn = drawn if channels else drawn.neg_()
    if gone is None:
        return drawn
    return torch.zeros(units, dtype=drawn.dtype, device=drawn.device).masked_scatter_(~gone, drawn)
