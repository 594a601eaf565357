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
from prunetool.pruning.groups import barred
from prunetool.pruning.patterns import Channels, NOfM, Pattern
from prunetool.pruning.scores import Scores, refuse_nan
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
    """Score the units of ``target``.

    A channel's score is the norm of its elements' scores; where a score has a sign (movement), it
    is their sum.

    Args:
        criterion: what scores an element.
        pattern: what a unit is.
        target: the parameter.
        pruned: its mask, True where pruned.
        lost: units that are gone by it.
        norm: for channels.
        gathered: from gradients, for the criteria that need them.
        generator: drawn from by :attr:`Criterion.RANDOM`.

    Raises:
        NanScoresError: if an N:M group cannot be ordered.
    """
    taken = pattern.gone(pruned) if lost else None
    if criterion is Criterion.RANDOM:
        scores, absolute = _drawn(pattern, target.parameter, taken, generator), False
    else:
        scores, absolute = element_scores(criterion, target.parameter, gathered)
        if isinstance(pattern, Channels):
            scores = _of_channels(criterion, scores, pattern, norm)
            absolute = False
    units = Scores(target.name, scores, absolute, taken, lost)
    if not isinstance(pattern, NOfM):
        return UnitScores(units)
    refuse_nan(units)
    gone = None if taken is None else pruned
    stay = barred(
        scores.view(pruned.shape),
        gone,
        n=pattern.n,
        m=pattern.m,
        dim=target.input_dim,
        absolute=absolute,
    ).view(-1)
    if taken is None:
        return UnitScores(Scores(target.name, scores, absolute, stay), stay)
    stay &= ~taken
    held = stay | taken
    return UnitScores(Scores(target.name, scores, absolute, held), stay)


def _of_channels(criterion: Criterion, scores: Tensor, pattern: Channels, norm: Norm) -> Tensor:
    if criterion.is_magnitude_like:
        return channel_norm(scores, dim=pattern.dim, norm=norm)
    return channel_sum(scores, dim=pattern.dim)


def _drawn(
    pattern: Pattern, weight: Tensor, gone: Tensor | None, generator: torch.Generator
) -> Tensor:
    """Draw a score for each unit that is left.

    torch.nn.utils.prune draws for elements in the dtype of the weights and removes the largest;
    for channels it draws in the default dtype and removes the smallest.
    """
    channels = isinstance(pattern, Channels)
    dtype = torch.get_default_dtype() if channels else weight.dtype
    units = pattern.units(weight.shape)
    count = units if gone is None else units - int(gone.count_nonzero())
    drawn = random_scores(count, dtype=dtype, generator=generator).to(weight.device)
    drawn = drawn if channels else drawn.neg_()
    if gone is None:
        return drawn
    return torch.zeros(units, dtype=drawn.dtype, device=drawn.device).masked_scatter_(~gone, drawn)
