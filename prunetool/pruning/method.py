"""A pruning method, and one event of it: score, share out, choose, extend the masks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from prunetool.pruning.allocation import ShareToward, uniform, units_at, units_to_remove
from prunetool.pruning.criteria import Criterion, Norm, channel_norm, magnitude, random_scores
from prunetool.pruning.masks import MaskSet
from prunetool.pruning.patterns import Channels, Elements, Pattern
from prunetool.pruning.selection import Scores, lowest
from prunetool.pruning.targets import Target


@dataclass(frozen=True)
class Method:
    """What is scored, what goes together, and who competes with whom.

    Attributes:
        criterion: what the score is.
        pattern: single elements or channels.
        pooled: all tensors compete in one pool (global); otherwise each gives its own share.
        norm: what makes a channel's score of its elements; unused for elements.
    """

    criterion: Criterion
    pattern: Pattern
    pooled: bool
    norm: Norm = 1


def prune(
    method: Method,
    targets: Sequence[Target],
    masks: MaskSet,
    amount: float,
    *,
    generator: torch.Generator,
) -> None:
    """Prune once: extend ``masks`` by the units that ``amount`` asks for. Weights stay as they are.

    Args:
        method: what to remove.
        targets: the tensors that take part, in model order; each has its mask already.
        masks: extended in place.
        amount: a share in [0, 1] of the units that remain, or their number; in each tensor where
            the method is not pooled. A :class:`ShareToward` lands on its absolute sparsity.
        generator: drawn from by :attr:`Criterion.RANDOM`, in the order of ``targets``.

    Raises:
        ValueError: if ``amount`` is outside its interval or more than what remains.
        NanScoresError: if a weight is not a number.
    """
    remaining = [method.pattern.remaining(masks.pruned(target.name)) for target in targets]
    counts = [int(units.sum()) for units in remaining]
    for pool, k in _pools(method, targets, counts, amount):
        if k == 0:
            continue  # Nothing is drawn at random either, as in torch.nn.utils.prune.
        scores = [_scores(method, targets[i], remaining[i], counts[i], generator) for i in pool]
        for i, marked in zip(pool, lowest(scores, k), strict=True):
            name, shape = targets[i].name, targets[i].parameter.shape
            units = torch.zeros_like(remaining[i])
            units[remaining[i]] = marked.to(units.device)
            masks.prune(name, method.pattern.spread(units, shape))


def _pools(
    method: Method, targets: Sequence[Target], counts: Sequence[int], amount: float
) -> list[tuple[list[int], int]]:
    """Give the pools as indices of targets, each with the number of units that go."""
    totals = [method.pattern.units(target.parameter.shape) for target in targets]
    everyone = list(range(len(targets)))
    if not isinstance(amount, ShareToward):
        if method.pooled:
            return [(everyone, units_to_remove(amount, sum(counts)))]
        return [([i], units_to_remove(amount, counts[i])) for i in everyone]
    if method.pooled:
        gone = sum(totals) - sum(counts)
        return [(everyone, max(0, units_at(amount.sparsity, sum(totals)) - gone))]
    lost = [total - count for total, count in zip(totals, counts, strict=True)]
    goals = goal_by_tensor(method.pattern, totals, amount.sparsity, lost=lost)
    return [([i], max(0, goals[i] - lost[i])) for i in everyone]


def goal_by_tensor(
    pattern: Pattern, totals: Sequence[int], sparsity: float, *, lost: Sequence[int] | None = None
) -> list[int]:
    """Count the units that each tensor has lost at ``sparsity`` where none compete.

    Elements are shared out so that their total is right to the element. A channel of one tensor
    is not worth a channel of another, so each tensor rounds its channels for itself. What tensors
    have ``lost`` already they keep losing, and the total of the elements is still right.
    """
    if isinstance(pattern, Elements):
        return uniform(totals, units_at(sparsity, sum(totals)), at_least=lost)
    return [units_at(sparsity, total) for total in totals]


def elements_at(
    pattern: Pattern, shapes: Sequence[torch.Size], sparsity: float, *, pooled: bool
) -> int:
    """Count the elements that are gone at ``sparsity``, whole units removed.

    Where channels of different sizes compete in one pool, the count depends on which are chosen;
    their mean size is taken.
    """
    units = [pattern.units(shape) for shape in shapes]
    sizes = [shape.numel() for shape in shapes]
    if pooled:
        return round(units_at(sparsity, sum(units)) * sum(sizes) / sum(units))
    goals = goal_by_tensor(pattern, units, sparsity)
    return sum(g * size // unit for g, size, unit in zip(goals, sizes, units, strict=True))


def _scores(
    method: Method, target: Target, units: Tensor, count: int, generator: torch.Generator
) -> Scores:
    weight = target.parameter
    match method.criterion, method.pattern:
        # torch.nn.utils.prune draws for elements in the dtype of the weights and removes the
        # largest; for channels it draws in the default dtype and removes the smallest.
        case Criterion.RANDOM, Elements():
            drawn = -random_scores(count, dtype=weight.dtype, generator=generator)
            return Scores(target.name, count, partial(torch.clone, drawn))
        case Criterion.RANDOM, Channels():
            dtype = torch.get_default_dtype()
            drawn = random_scores(count, dtype=dtype, generator=generator)
            return Scores(target.name, count, partial(torch.clone, drawn))
        case Criterion.MAGNITUDE, Elements():
            return Scores(target.name, count, lambda: magnitude(weight).reshape(-1)[units])
        case Criterion.MAGNITUDE, Channels(dim=dim):
            norms = channel_norm(weight, dim=dim, norm=method.norm)
            return Scores(target.name, count, partial(torch.masked_select, norms, units))
    raise AssertionError(f"no such method: {method!r}")
