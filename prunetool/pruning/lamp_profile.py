"""How the units of one tensor are spread, and what that says about their LAMP scores."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from prunetool.pruning import ranks
from prunetool.pruning.scores import Scores, refuse_nan
from prunetool.pruning.shards import Shard
from prunetool.pruning.sieve import sift

# A bin holds the scores whose first 16 bits are alike: sign, exponent and the first of the
# fraction. The bits of floats that are not negative have the order of the floats.
_INTEGERS = {torch.float32: (torch.int32, 16), torch.float64: (torch.int64, 48)}
_BINS = 1 << 15
# A bin of doubles has too many values to count each.
_COUNTED = 1 << 16
# Bounds are widened by more than what sums of energies round away.
_SLACK = 1e-6


class Profile:
    """A histogram of one tensor's scores, and bounds for the LAMP scores in each bin.

    Where processes hold parts of the tensor it is that of the whole, in each of them; making it
    and :meth:`around` are then collectives.

    Args:
        scores: not negative.
        staying: a flat bool tensor of units that do not compete but count as part of the tensor.

    Attributes:
        scores: of the units that compete.
        counts: competing units in each bin that has any, ascending.
        low: no LAMP score of the bin is less.
        high: no LAMP score of the bin is more.

    Raises:
        NanScoresError: if a unit that competes is not a number.
    """

    def __init__(self, scores: Scores, staying: Tensor | None) -> None:
        refuse_nan(scores)
        self.scores = scores
        self._staying = staying
        taken = scores.taken
        if taken is not None and staying is not None:
            taken = taken.reshape(-1) & ~staying
        self._part = Scores(scores.name, scores.tensor, scores.absolute, taken)
        counts, energy = self._histogram()
        matter = energy.flip(0).cumsum(0).flip(0)
        above = torch.cat([matter[1:], matter.new_zeros(1)])
        integer, shift = _INTEGERS[scores.dtype]
        edges = (torch.arange(_BINS, dtype=integer) << shift).view(scores.dtype).to(torch.float64)
        values = torch.cat([edges, edges.new_full((1,), torch.nan)])  # beyond infinity
        self._bins = counts.nonzero().view(-1)
        least, beyond = values[self._bins].square(), values[self._bins + 1].square()
        self.counts = counts[self._bins]
        self.low = _share(least, matter[self._bins], 0.0) * (1 - _SLACK)
        self.high = _share(beyond, above[self._bins] + beyond, 1.0) * (1 + _SLACK)
        self._above, self._values = above, values

    def around(self, low: float, high: float) -> tuple[int, Tensor]:
        """Sort out the units whose LAMP scores may lie between two edges.

        Returns:
            How many competing units surely have lower ones, and the LAMP scores of those that may
            not, up to ``high``, ascending.
        """
        first = int((self.high < low).count_nonzero())
        final = int((self.low <= high).count_nonzero())
        below = int(self.counts[:first].sum())
        if first >= final:
            return below, torch.empty(0)
        start, end = int(self._bins[first]), int(self._bins[final - 1])
        return below, self._ratios(start, end)

    def _ratios(self, start: int, end: int) -> Tensor:
        """Give the LAMP scores of the competing units in the bins from ``start`` to ``end``."""
        if self.scores.shard is not None:
            return self._ratios_across(self.scores.shard, start, end)
        low = None if start == 0 else _just_below(float(self._values[start]), self._part.dtype)
        beyond = float(self._values[end + 1])
        high = None if math.isnan(beyond) else beyond
        sieve = sift([self._part], low, high)
        values, order = sieve.values.sort(stable=True)
        energy = values.square()
        matter = energy.flip(0).cumsum(0).flip(0) + self._above[end]
        ratios = _share(energy, matter, 1.0).cummax(0).values
        if self._staying is None:
            return ratios
        return ratios[~self._staying[sieve.between[0]].cpu()[order]]

    def _ratios_across(self, shard: Shard, start: int, end: int) -> Tensor:
        """Give the same of all processes' units: by counting how often each value occurs."""
        integer, shift = _INTEGERS[self.scores.dtype]
        values, counts = [], []
        for first in range(start, end + 1):
            base, length = first << shift, 1 << shift
            if length > _COUNTED:
                raise ValueError(f"{self.scores.name}: LAMP of sharded doubles is not supported")
            left, competing = self._occurrences(base, length, integer)
            both = ranks.total(torch.stack([left, competing]) * int(shard.counted), shard.device)
            found = both[0].nonzero().view(-1)
            values.append((found + base).to(integer).view(self.scores.dtype).to(torch.float64))
            counts.append(both[:, found])
        energy, (left, competing) = torch.cat(values).square(), torch.cat(counts, dim=1)
        matter = (energy * left).flip(0).cumsum(0).flip(0) + self._above[end]
        return _share(energy, matter, 1.0).cummax(0).values.repeat_interleave(competing)

    def _occurrences(self, base: int, length: int, integer: torch.dtype) -> tuple[Tensor, Tensor]:
        """Count the units here that are left, and that compete, of each value from ``base`` on."""
        left, competing = (torch.zeros(length, dtype=torch.int64) for _ in range(2))
        both = zip(self._part.pieces(), self.scores.pieces(), strict=True)
        for (piece, gone), (_, taken) in both:
            codes = piece.view(integer)
            inside = (codes >= base) & (codes < base + length)
            for counts, out in ((left, gone), (competing, taken)):
                found = codes[inside if out is None else inside & ~out] - base
                counts += torch.bincount(found, minlength=length).cpu()
        return left, competing

    def _histogram(self) -> tuple[Tensor, Tensor]:
        """Count the competing units in each bin, and sum up the energy of all that are left."""
        counts, energy = self._own_histogram()
        shard = self.scores.shard
        if shard is None:
            return counts, energy
        counts, energy = counts * int(shard.counted), energy * int(shard.counted)
        return ranks.total(counts, shard.device), ranks.total(energy, shard.device)

    def _own_histogram(self) -> tuple[Tensor, Tensor]:
        counts = torch.zeros(_BINS, dtype=torch.int64)
        energy = torch.zeros(_BINS, dtype=torch.float64)
        integer, shift = _INTEGERS[self.scores.dtype]
        both = zip(self._part.pieces(), self.scores.pieces(), strict=True)
        for (piece, gone), (_, taken) in both:
            bins = piece.view(integer) >> shift
            weights = piece.to(torch.float64).square()
            if gone is not None:
                weights.masked_fill_(gone, 0.0)
            energy += torch.bincount(bins, weights, minlength=_BINS).cpu()
            competing = bins if taken is None else bins[~taken]
            counts += torch.bincount(competing, minlength=_BINS).cpu()
        return counts, energy


def _share(part: Tensor, whole: Tensor, of_infinity: float) -> Tensor:
    """Divide; nothing of nothing is nothing, and infinities have the share that is given."""
    shares = torch.where(whole == 0, 0.0, part / whole)
    return torch.where(shares.isnan(), of_infinity, shares)


def _just_below(value: float, dtype: torch.dtype) -> float:
    lowest = torch.tensor(-1.0, dtype=dtype)
    return float(torch.nextafter(torch.tensor(value, dtype=dtype), lowest))
