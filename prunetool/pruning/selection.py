"""Exactly which k of n scores are the lowest, over tensors that are never joined or sorted.

The rule, for every criterion and pattern: the k lowest scores go; among equal scores the lowest
position goes first, tensors in the order given. So k scores are chosen, never k - 1 or k + 1,
whatever the ties.

The k-th lowest value is found by narrowing: a strided sample gives two edges between which it lies
almost surely; one pass marks what lies at or below the lower edge and collects what lies strictly
between, a percent or so; and the rest is decided among these. Where the value is an edge itself
(ties), or the edges missed, passes are added; the result is the same.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from prunetool.pruning.across import lowest_across
from prunetool.pruning.scores import NanScoresError, Scores
from prunetool.pruning.sieve import count_around, mark_up_to, sift

__all__ = ["NanScoresError", "Scores", "lowest"]

# One score of so many is sampled, within limits: then the search in the sample and the sort-out of
# what lies between the edges both take little beside the pass.
_ONE_IN = 50
_FEWEST, _MOST = 1 << 14, 1 << 20
# A sample of more is narrowed down by a sample of itself before it is sorted.
_SORTED = 1 << 15
# Half the distance of the edges in standard deviations of the sample's rank: misses are rare.
_SIGMAS = 5.0


def lowest(sources: Sequence[Scores], k: int, *, sample: int | None = None) -> list[Tensor]:
    """Choose the ``k`` lowest of the scores that compete.

    Time is a handful of passes over the scores. Memory is one byte a score for the result, and
    some ten bytes for each of the percent that lies between the edges.

    Args:
        sources: the scores, tensor by tensor; infinities are ordinary values. Where processes hold
            parts of them, all call this alike (:mod:`prunetool.pruning.across`).
        k: how many to choose, in [0, number of scores that compete].
        sample: how many scores to sample, and up to how many are not worth a sample; changes the
            speed, never the result; by default what is fast.

    Returns:
        For each source a flat bool tensor on its device, True where chosen or taken already;
        exactly ``k`` more are True than were taken.

    Raises:
        ValueError: if ``k`` is outside its interval.
        NanScoresError: naming the first source that holds a NaN among the scores that compete.
    """
    if any(scores.shard is not None for scores in sources):
        return lowest_across(sources, k)
    total = sum(scores.free for scores in sources)
    if not 0 <= k <= total:
        raise ValueError(f"cannot choose {k} of {total} scores")
    if k == 0:
        # A pass all the same: diverged weights are refused at the first event, however small.
        return sift(sources, None, -math.inf).marked
    if any(scores.dtype == torch.float64 for scores in sources):
        # An edge in double precision would be rounded where it meets scores in single.
        sources = [replace(scores, double=True) for scores in sources]
    sample = sample or min(max(total // _ONE_IN, _FEWEST), _MOST)
    window = _Window(total=total)
    while True:
        low, high = (None, None) if window.size <= sample else _edges(sources, window, k, sample)
        low = window.low if low is None else low
        high = window.high if high is None else high
        sieve = sift(sources, low, high)
        if 0 < k - sieve.below <= sieve.values.numel():
            return sieve.with_lowest(k - sieve.below)
        edge = low if k <= sieve.below else high
        assert edge is not None
        below, equal = count_around(sources, edge)
        if below < k <= below + equal:
            return mark_up_to(sources, edge, k - below)
        window = window.beyond(edge, below=below, equal=equal, k=k)


@dataclass(frozen=True)
class _Window:
    """The scores among which the value must be: those strictly between ``low`` and ``high``.

    Attributes:
        total: scores that compete, in the window or not.
        low: None for no edge.
        high: None for no edge.
        below: scores at or below ``low``.
        above: scores at or above ``high``.
    """

    total: int
    low: float | None = None
    high: float | None = None
    below: int = 0
    above: int = 0

    @property
    def size(self) -> int:
        return self.total - self.below - self.above

    def beyond(self, edge: float, *, below: int, equal: int, k: int) -> _Window:
        """Give the side of ``edge`` on which the ``k``-th value is."""
        if k <= below:
            return _Window(self.total, self.low, edge, self.below, self.total - below)
        return _Window(self.total, edge, self.high, below + equal, self.above)

    def of(self, values: Tensor) -> Tensor:
        if self.low is not None:
            values = values[values > self.low]
        if self.high is not None:
            values = values[values < self.high]
        return values


def _edges(
    sources: Sequence[Scores], window: _Window, k: int, sample: int
) -> tuple[float | None, float | None]:
    """Guess two scores between which the value lies, from a sample of the window.

    An edge is None where the sample does not reach so far.
    """
    stride = max(1, window.size // sample)
    drawn = torch.cat([window.of(scores.sample(stride)).cpu() for scores in sources])
    drawn = drawn[~drawn.isnan()]  # the pass that follows refuses them
    return _around_share(drawn, (k - window.below - 0.5) / window.size)


def _around_share(drawn: Tensor, share: float) -> tuple[float | None, float | None]:
    """Give the values of a sample between which the ``share``-quantile of the whole lies."""
    if drawn.numel() == 0:
        return None, None
    last = drawn.numel() - 1
    reach = _SIGMAS * math.sqrt(last * share * (1 - share)) + 2
    first, final = math.floor(share * last - reach), math.ceil(share * last + reach)
    low = _at_rank(drawn, first) if first >= 0 else None
    return low, _at_rank(drawn, final) if final <= last else None


def _at_rank(values: Tensor, rank: int) -> float:
    """Give the value of ``rank``, counted from 0, as if ``values`` were sorted."""
    if values.numel() > _SORTED:
        few = values[:: values.numel() // _SORTED + 1]
        low, high = _around_share(few, (rank + 0.5) / values.numel())
        below = 0 if low is None else int((values < low).count_nonzero())
        part = values if low is None else values[values >= low]
        part = part if high is None else part[part <= high]
        if below <= rank < below + part.numel() < values.numel():
            return _at_rank(part, rank - below)
    return float(values.sort().values[rank])
