"""Exactly which k of n scores are the lowest, over tensors that are never joined or sorted.

The rule, for every criterion and pattern: the k lowest scores go; among equal scores the lowest
position goes first, tensors in the order given. So k scores are chosen, never k - 1 or k + 1,
whatever the ties.

The k-th lowest value is found by narrowing: a strided sample gives a bracket that holds it almost
surely, one pass counts what lies below and collects what lies strictly inside, and the value is
then exact. A bracket that missed only costs another pass over the side where the value must be.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

# Large enough for a bracket of about 1 % of the scores, small enough to sort in milliseconds.
_SAMPLE = 200_000
# Half-width of the bracket in standard deviations of the sample's rank: misses are rare.
_SIGMAS = 6.0


@dataclass(frozen=True)
class Scores:
    """The scores of one tensor, read when they are needed.

    Attributes:
        name: what the scores belong to, for error messages.
        count: number of scores.
        read: gives a one-dimensional floating tensor of ``count`` scores, the same at each call.
    """

    name: str
    count: int
    read: Callable[[], Tensor]


class NanScoresError(ValueError):
    """Some scores are not numbers, so that no order is defined."""


def lowest(sources: Sequence[Scores], k: int, *, sample: int = _SAMPLE) -> list[Tensor]:
    """Choose the ``k`` lowest scores.

    Args:
        sources: the scores, tensor by tensor; infinities are ordinary values.
        k: how many to choose, in [0, total count].
        sample: how many scores to sample for a bracket; changes the speed, never the result.

    Returns:
        For each source a bool tensor of its ``count`` elements on its device, True where chosen;
        exactly ``k`` are True in all.

    Raises:
        ValueError: if ``k`` is outside its interval.
        NanScoresError: naming the first source that holds a NaN.
    """
    total = sum(source.count for source in sources)
    if not 0 <= k <= total:
        raise ValueError(f"cannot choose {k} of {total} scores")
    _refuse_nan(sources)
    if k == 0:
        return [torch.zeros_like(scores, dtype=torch.bool) for scores in _read(sources)]
    return _up_to(sources, kth_lowest(sources, k, sample=sample), k)


def kth_lowest(sources: Sequence[Scores], k: int, *, sample: int = _SAMPLE) -> float:
    """Find the ``k``-th lowest score, counted from 1."""
    window = _Window(low=None, high=None, below=0, count=sum(s.count for s in sources))
    while True:
        low, high = _bracket(sources, window, k, sample)
        tally = _tally(sources, window, low, high)
        rank = k - window.below - tally.below
        if rank <= 0:
            window = _Window(window.low, low, window.below, tally.below)
            continue
        if rank <= tally.at_low:
            return low
        rank -= tally.at_low
        if rank <= tally.inside.numel():
            return float(torch.kthvalue(tally.inside, rank).values)
        rank -= tally.inside.numel() + tally.at_high
        if rank <= 0:
            return high
        window = _Window(high, window.high, k - rank, tally.above)


@dataclass(frozen=True)
class _Window:
    """The scores among which the value must be: those strictly between ``low`` and ``high``."""

    low: float | None
    high: float | None
    below: int  # scores at or below `low`
    count: int  # scores inside

    def of(self, scores: Tensor) -> Tensor:
        if self.low is not None:
            scores = scores[scores > self.low]
        if self.high is not None:
            scores = scores[scores < self.high]
        return scores


@dataclass(frozen=True)
class _Tally:
    """How the scores of a window lie around a bracket inside it."""

    below: int
    at_low: int
    inside: Tensor
    at_high: int
    above: int


def _read(sources: Sequence[Scores]) -> Iterator[Tensor]:
    for source in sources:
        scores = source.read()
        # Comparing half-precision scores with a threshold would round the threshold.
        yield scores if scores.dtype == torch.float64 else scores.to(torch.float32)


def _refuse_nan(sources: Sequence[Scores]) -> None:
    for source, scores in zip(sources, _read(sources), strict=True):
        bad = int(torch.isnan(scores).sum())
        if bad:
            raise NanScoresError(
                f"{source.name}: {bad} of {source.count} scores are NaN; "
                "the weights have diverged, or were never initialised"
            )


def _bracket(
    sources: Sequence[Scores], window: _Window, k: int, sample: int
) -> tuple[float, float]:
    """Guess two scores between which the value lies, from a sample of the window."""
    stride = max(1, window.count // sample)
    pieces = [window.of(scores)[::stride] for scores in _read(sources)]
    drawn = torch.cat([piece.to(device="cpu", dtype=torch.float64) for piece in pieces])
    ordered = drawn.sort().values
    last = ordered.numel() - 1
    share = (k - window.below - 1) / max(window.count - 1, 1)
    reach = 0.0 if stride == 1 else _SIGMAS * math.sqrt(last * share * (1 - share)) + 2
    first, final = math.floor(share * last - reach), math.ceil(share * last + reach)
    return float(ordered[max(first, 0)]), float(ordered[min(final, last)])


def _tally(sources: Sequence[Scores], window: _Window, low: float, high: float) -> _Tally:
    below = at_low = at_high = above = 0
    inside = [torch.empty(0, dtype=torch.float64)]
    for scores in _read(sources):
        held = window.of(scores)
        below += int((held < low).sum())
        at_low += int((held == low).sum())
        above += int((held > high).sum())
        if high > low:
            at_high += int((held == high).sum())
            between = held[(held > low) & (held < high)]
            inside.append(between.to(device="cpu", dtype=torch.float64))
    return _Tally(below, at_low, torch.cat(inside), at_high, above)


def _up_to(sources: Sequence[Scores], value: float, k: int) -> list[Tensor]:
    """Mark all scores below ``value`` and the first of those equal to it, ``k`` in all."""
    ties = k - sum(int((scores < value).sum()) for scores in _read(sources))
    chosen = []
    for scores in _read(sources):
        marked = scores < value
        if ties > 0:
            positions = (scores == value).nonzero().view(-1)[:ties]
            marked[positions] = True
            ties -= positions.numel()
        chosen.append(marked)
    return chosen
