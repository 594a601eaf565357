"""Scores that are read piece by piece: they never stand in memory as a whole unless they did.

Every element-wise criterion is the value, or the absolute value, of one tensor: the weight itself,
or what was gathered beside it during training. So its scores need no tensor of their own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from prunetool.pruning import ranks
from prunetool.pruning.pieces import piece_size, pieces
from prunetool.pruning.shards import Shard


class NanScoresError(ValueError):
    """Some scores are not numbers, so that no order is defined."""


@dataclass(frozen=True)
class Scores:
    """The scores of one tensor's units, in their order.

    Attributes:
        name: what the scores belong to, for error messages.
        tensor: of a real dtype and any shape; the scores are its elements in row-major order, as
            float32 (float64 for float64).
        absolute: the scores are the absolute values.
        taken: a bool tensor of as many elements, in the same order: True where a unit does not
            compete, whatever its score, because it is gone already; None if all compete.
        gone: how many are taken, where that is known; None to count them.
        double: the scores are float64 whatever the tensor is, to be compared with such.
        shard: which part of the scores this process holds, if others hold the rest.
    """

    name: str
    tensor: Tensor
    absolute: bool = False
    taken: Tensor | None = None
    gone: int | None = None
    double: bool = False
    shard: Shard | None = None

    @property
    def count(self) -> int:
        """Count all units that this process holds."""
        return self.tensor.numel()

    @cached_property
    def free(self) -> int:
        """Count those of them that compete."""
        if self.taken is None:
            return self.count
        gone = int(self.taken.count_nonzero()) if self.gone is None else self.gone
        return self.count - gone

    @property
    def counted(self) -> bool:
        """Whether this process speaks for them, where processes hold parts of some scores."""
        return ranks.is_first() if self.shard is None else self.shard.counted

    @property
    def dtype(self) -> torch.dtype:
        """Give the dtype in which scores are compared.

        Thresholds are compared exactly in it; in half precision they would be rounded.
        """
        wide = self.double or self.tensor.dtype == torch.float64
        return torch.float64 if wide else torch.float32

    def pieces(self) -> Iterator[tuple[Tensor, Tensor | None]]:
        """Yield the scores in order, each piece with its part of :attr:`taken`.

        A piece is overwritten by the next.
        """
        gone = None if self.taken is None else self.taken.reshape(-1)
        size = min(piece_size(self.tensor.device), max(self.count, 1))
        buffer = torch.empty(size, dtype=self.dtype, device=self.tensor.device)
        start = 0
        for raw in pieces(self.tensor.detach()):
            end = start + raw.numel()
            scored = self._scored(raw, buffer[: raw.numel()])
            yield scored, None if gone is None else gone[start:end]
            start = end

    def at(self, positions: Tensor) -> Tensor:
        """Give the scores at ``positions`` of the row-major order."""
        tensor = self.tensor.detach()
        if tensor.is_contiguous():
            few = tensor.view(-1)[positions]
        else:
            few = tensor[torch.unravel_index(positions, tensor.shape)]
        few = few.to(self.dtype)
        return few.abs() if self.absolute else few

    def sample(self, stride: int) -> Tensor:
        """Give every ``stride``-th score of those that compete."""
        positions = torch.arange(0, self.count, stride, device=self.tensor.device)
        if self.taken is not None:
            positions = positions[~self.taken.reshape(-1)[::stride]]
        return self.at(positions)

    def _scored(self, raw: Tensor, into: Tensor) -> Tensor:
        if self.absolute and raw.dtype == into.dtype:
            return torch.abs(raw, out=into)
        into.copy_(raw)
        return into.abs_() if self.absolute else into


def refuse_nan(*sources: Scores) -> None:
    """Raise if a score that competes is not a number, in whatever process: in all of them.

    Raises:
        NanScoresError: naming the first tensor that has any, and counting.
    """
    found = added_up(sources, [_count_nan(scores) for scores in sources])
    if not any(found):
        return
    free = added_up(sources, [scores.free for scores in sources])
    scores, bad, of = next(it for it in zip(sources, found, free, strict=True) if it[1])
    raise NanScoresError(
        f"{scores.name}: {bad} of {of} scores are NaN; "
        "the weights have diverged, or were never initialised"
    )


def added_up(sources: Sequence[Scores], counts: list[int]) -> list[int]:
    """Add up one count for each source over the processes; theirs alone where none is sharded."""
    device = next((it.shard.device for it in sources if it.shard is not None), None)
    if device is None:
        return counts
    own = torch.tensor(counts) * torch.tensor([scores.counted for scores in sources])
    total: list[int] = ranks.total(own, device).tolist()
    return total


def _count_nan(scores: Scores) -> int:
    sums = [piece.sum() for piece, _ in scores.pieces()]
    if not sums or not bool(torch.stack(sums).isnan().any()):
        return 0  # far faster than a look at each; a sum of both infinities is NaN too
    bad = 0
    for piece, gone in scores.pieces():
        nan = piece.isnan()
        bad += int((nan if gone is None else nan & ~gone).count_nonzero())
    return bad
