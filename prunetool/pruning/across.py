"""Exactly which k of n scores are the lowest, where each process holds a part of the tensors.

The rule is that of :mod:`prunetool.pruning.selection`, and so is the result. No score leaves its
process: the k-th lowest value is found digit by digit (16 bits of it at a time, the first first),
from histograms that are added up over the processes; ties go by their position in the whole
tensor, which a bisection finds from counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from prunetool.pruning import ranks
from prunetool.pruning.scores import Scores, added_up, refuse_nan

_DIGIT = 16
_BINS = 1 << _DIGIT
_CODES = {torch.float32: (torch.int32, 32), torch.float64: (torch.int64, 64)}


def lowest_across(sources: Sequence[Scores], k: int) -> list[Tensor]:
    """Choose the ``k`` lowest of the scores of all processes; a collective.

    Time is three passes over the scores (five for doubles). Memory is one byte a score of this
    process for the result.

    Args:
        sources: the scores, tensor by tensor, one of them sharded at least; all processes give
            the same tensors in the same order.
        k: how many to choose of all processes' scores, in [0, number that compete].

    Returns:
        For each source a flat bool tensor of this process's part, True where chosen or taken.

    Raises:
        ValueError: if ``k`` is outside its interval; in all processes.
        NanScoresError: naming the first source with a NaN; in all processes.
    """
    if any(scores.dtype == torch.float64 for scores in sources):
        sources = [replace(scores, double=True) for scores in sources]
    refuse_nan(*sources)
    free = added_up(sources, [scores.free for scores in sources])
    if not 0 <= k <= sum(free):
        raise ValueError(f"cannot choose {k} of {sum(free)} scores")
    if k == 0:
        return [_taken(scores) for scores in sources]
    value = _value_of_rank(sources, k)
    below, equal = _around(sources, value)
    ties = k - sum(below)
    marked = []
    for scores, count in zip(sources, equal, strict=True):
        marked.append(_mark(scores, value, min(ties, count), of=count))
        ties -= min(ties, count)
    return marked


def _value_of_rank(sources: Sequence[Scores], k: int) -> float:
    """Find the ``k``-th lowest competing value, ``k`` counted from 1."""
    integer, bits = _CODES[sources[0].dtype]
    prefix = 0
    for shift in range(bits - _DIGIT, -1, -_DIGIT):
        first = shift == bits - _DIGIT
        counts = torch.zeros(_BINS, dtype=torch.int64)
        for scores in sources:
            if not scores.counted:
                continue
            for piece, taken in scores.pieces():
                codes = _ordered(piece if taken is None else piece[~taken], integer)
                if not first:
                    codes = codes[codes >> (shift + _DIGIT) == prefix]
                digits = (codes >> shift) + _BINS // 2 if first else (codes >> shift) & (_BINS - 1)
                counts += torch.bincount(digits.to(torch.int64), minlength=_BINS).cpu()
        counts = ranks.total(counts, _device(sources))
        digit = int(torch.searchsorted(counts.cumsum(0), k))
        k -= int(counts[:digit].sum())
        prefix = digit - _BINS // 2 if first else (prefix << _DIGIT) | digit
    code = torch.tensor([prefix], dtype=integer)
    return float(_mirrored(code).view(sources[0].dtype))


def _ordered(values: Tensor, integer: torch.dtype) -> Tensor:
    """Turn floats into integers of the same order; -0.0 and 0.0 are one."""
    return _mirrored((values + 0.0).view(integer))


def _mirrored(codes: Tensor) -> Tensor:
    """Reverse the order of the negative ones: the bits of negative floats run backwards."""
    return codes ^ (codes >> (codes.element_size() * 8 - 1) & torch.iinfo(codes.dtype).max)


def _around(sources: Sequence[Scores], value: float) -> tuple[list[int], list[int]]:
    """Count, for each source, the competing scores of all processes below ``value`` and at it."""
    below, equal = [0] * len(sources), [0] * len(sources)
    for i, scores in enumerate(sources):
        for piece, taken in scores.pieces():
            free = piece if taken is None else piece[~taken]
            below[i] += int((free < value).count_nonzero())
            equal[i] += int((free == value).count_nonzero())
    return added_up(sources, below), added_up(sources, equal)


def _mark(scores: Scores, value: float, ties: int, *, of: int) -> Tensor:
    """Mark what is below ``value`` or taken, and the first ``ties`` ``of`` those at it."""
    marked = _taken(scores)
    equal = torch.zeros_like(marked) if 0 < ties < of else None
    start = 0
    for piece, taken in scores.pieces():
        part = slice(start, start + piece.numel())
        start = part.stop
        at = piece == value
        if taken is not None:
            at &= ~taken
        if equal is not None:
            equal[part] = at
        elif ties:
            marked[part] |= at
        marked[part] |= piece < value
    if equal is not None:
        local = equal.nonzero().view(-1)
        marked[local[: _first_ties(scores, local, ties)]] = True
    return marked


def _first_ties(scores: Scores, local: Tensor, ties: int) -> int:
    """Say how many of this process's ties at ``local`` are among the first ``ties`` of all."""
    shard = scores.shard
    if shard is None:
        return ties
    where = shard.positions(local)
    counted = int(scores.counted)

    def before(position: int) -> int:
        return int(torch.searchsorted(where, position))

    low, high = 0, shard.shape.numel()  # fewer than `ties` before low; enough before high
    while high - low > 1:
        middle = (low + high) // 2
        count = ranks.total(torch.tensor([before(middle) * counted]), shard.device)
        low, high = (low, middle) if int(count) >= ties else (middle, high)
    return before(high)


def _taken(scores: Scores) -> Tensor:
    if scores.taken is None:
        return torch.zeros(scores.count, dtype=torch.bool, device=scores.tensor.device)
    return scores.taken.reshape(-1).clone()


def _device(sources: Sequence[Scores]) -> torch.device:
    return next(scores.shard.device for scores in sources if scores.shard is not None)
