"""One pass over scores: what lies at or below an edge, and what lies between it and another.

Comparisons that give floats, and sums of these, run several times as fast on a CPU as comparisons
that give bools, and 0.0 and 1.0 add up exactly.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from prunetool.pruning import codes
from prunetool.pruning.scores import Scores, refuse_nan


@dataclass(frozen=True)
class Sieve:
    """What a pass found.

    Attributes:
        marked: for each source a flat bool tensor: True at or below the lower edge, and where
            taken.
        below: scores that compete and are at or below the lower edge.
        between: positions of those strictly between the edges, for each source, ascending.
        values: their scores, source after source, on the CPU.
    """

    marked: list[Tensor]
    below: int
    between: list[Tensor]
    values: Tensor

    def with_lowest(self, rank: int) -> list[Tensor]:
        """Mark the ``rank`` lowest of those between the edges too; ties by position."""
        value = torch.kthvalue(self.values, rank).values
        chosen = self.values < value
        ties = self.values == value
        chosen |= ties & (ties.cumsum(0) <= rank - int(chosen.count_nonzero()))
        parts = torch.split(chosen, [positions.numel() for positions in self.between])
        for marked, positions, part in zip(self.marked, self.between, parts, strict=True):
            marked[positions[part.to(positions.device)]] = True
        return self.marked


def sift(sources: Sequence[Scores], low: float | None, high: float | None) -> Sieve:
    """Pass once over all scores.

    Args:
        sources: the scores.
        low: the lower edge; None for one below everything, -inf included.
        high: the upper edge; None for one above everything.

    Raises:
        NanScoresError: naming the first source that holds a NaN.
    """
    sifted = [_sift_one(scores, low, high) for scores in sources]
    values = [one.values.to(device="cpu", dtype=torch.float64) for one in sifted]
    return Sieve(
        [one.marked for one in sifted],
        sum(one.below for one in sifted) - sum(scores.count - scores.free for scores in sources),
        [one.between for one in sifted],
        torch.cat(values) if values else torch.empty(0, dtype=torch.float64),
    )


@dataclass(frozen=True)
class _Sifted:
    """One source's part of a :class:`Sieve`."""

    marked: Tensor
    below: int  # taken ones included
    between: Tensor
    values: Tensor


def _sift_one(scores: Scores, low: float | None, high: float | None) -> _Sifted:
    coded = codes.room_for(scores.count, scores.tensor.device)
    sums = []
    start = 0
    for piece, code in _coded(scores, low, high):
        coded[start : start + piece.numel()].copy_(code)
        sums.append(piece.sum())
        start += piece.numel()
    if sums and bool(torch.stack(sums).isnan().any()):
        refuse_nan(scores)
    if scores.taken is not None:
        codes.take(coded, scores.taken.reshape(-1))
    between = codes.between(coded)
    marked = codes.as_marks(coded, scores.count)
    return _Sifted(marked, int(marked.count_nonzero()), between, scores.at(between))


def _coded(
    scores: Scores, low: float | None, high: float | None
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield each piece of the scores with its codes, as floats."""
    room: list[Tensor] = []
    for piece, _ in scores.pieces():
        if not room:
            room = [torch.empty_like(piece) for _ in range(2)]
        at_most, less = (buffer[: piece.numel()] for buffer in room)
        _ = torch.eq(piece, piece, out=less) if high is None else torch.lt(piece, high, out=less)
        if low is not None:
            less.add_(torch.le(piece, low, out=at_most), alpha=codes.BELOW - codes.BETWEEN)
        yield piece, less


def count_around(sources: Sequence[Scores], edge: float) -> tuple[int, int]:
    """Count the competing scores below ``edge``, and those equal to it."""

    below = equal = 0
    for scores in sources:
        for piece, taken in scores.pieces():
            free = piece if taken is None else piece[~taken]
            below += int((free < edge).count_nonzero())
            equal += int((free == edge).count_nonzero())
    return below, equal


def mark_up_to(sources: Sequence[Scores], edge: float, ties: int) -> list[Tensor]:
    """Mark what is below ``edge`` or taken, and the first ``ties`` of those equal to it."""
    marked = []
    for scores in sources:
        parts = [torch.empty(0, dtype=torch.bool, device=scores.tensor.device)]
        for piece, taken in scores.pieces():
            part = piece < edge
            equal = piece == edge
            if taken is not None:
                part |= taken
                equal &= ~taken
            count = int(equal.count_nonzero()) if ties else 0
            if count > ties:
                equal = equal & (equal.cumsum(0) <= ties)
                count = ties
            parts.append(part | equal if count else part)
            ties -= count
        marked.append(torch.cat(parts))
    return marked
