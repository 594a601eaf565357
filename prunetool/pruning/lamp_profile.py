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
# Bits that a value is known by more, where the values of a bin are counted.
_STEP = 8
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
        matter = _sum_of_rest(energy)
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
        if self.scores.shard is not None:
            return below, self._ratios_across(self.scores.shard, first, final)
        start, end = int(self._bins[first]), int(self._bins[final - 1])
        return below, self._ratios(start, end)

    def _ratios(self, start: int, end: int) -> Tensor:
        """Give the LAMP scores of the competing units in the bins from ``start`` to ``end``."""
        low = None if start == 0 else _just_below(float(self._values[start]), self._part.dtype)
        beyond = float(self._values[end + 1])
        high = None if math.isnan(beyond) else beyond
        sieve = sift([self._part], low, high)
        values, order = sieve.values.sort(stable=True)
        energy = values.square()
        matter = _sum_of_rest(energy) + self._above[end]
        ratios = _share(energy, matter, 1.0).cummax(0).values
        if self._staying is None:
            return ratios
        return ratios[~self._staying[sieve.between[0]].cpu()[order]]

    def _ratios_across(self, shard: Shard, first: int, final: int) -> Tensor:
        """Give the same of all processes' units: by counting how often each value occurs.

        Each step knows eight more bits of the values that occur.
        """
        integer, shift = _INTEGERS[self.scores.dtype]
        codes = self._bins[first:final]
        while shift:
            shift -= _STEP
            codes = (codes[:, None] * (1 << _STEP) + torch.arange(1 << _STEP)).view(-1)
            occurring = self._occurrences(codes, shift, shard)
            found = occurring[0].nonzero().view(-1)
            codes, (left, competing) = codes[found], occurring[:, found]
        energy = codes.to(integer).view(self.scores.dtype).to(torch.float64).square()
        matter = _sum_of_rest(energy * left)
        bins = codes >> _INTEGERS[self.scores.dtype][1]
        beyond = torch.searchsorted(bins, bins, right=True)  # where the next bin begins
        matter += self._above[bins] - torch.cat([matter, matter.new_zeros(1)])[beyond]
        return _share(energy, matter, 1.0).cummax(0).values.repeat_interleave(competing)

    def _occurrences(self, codes: Tensor, shift: int, shard: Shard) -> Tensor:
        """Count the units that are left, and those that compete, of each of the sorted codes."""
        counts = torch.zeros(2, codes.numel(), dtype=torch.int64)
        both = zip(self._part.pieces(), self.scores.pieces(), strict=True)
        for (piece, gone), (_, taken) in both:
            known = codes.to(piece.device)
            own = (piece.view(_INTEGERS[piece.dtype][0]) >> shift).to(torch.int64)
            at = torch.searchsorted(known, own).clamp_(max=codes.numel() - 1)
            inside = known[at] == own
            for row, out in enumerate((gone, taken)):
                found = at[inside if out is None else inside & ~out]
                counts[row] += torch.bincount(found, minlength=codes.numel()).cpu()
        return ranks.total(counts * int(shard.counted), shard.device)

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


def _sum_of_rest(values: Tensor) -> Tensor:
    """Add up, for each value, itself and all that come after it."""
    return values.flip(0).cumsum(0).flip(0)


def _share(part: Tensor, whole: Tensor, of_infinity: float) -> Tensor:
    """Divide; nothing of nothing is nothing, and infinities have the share that is given."""
    shares = torch.where(whole == 0, 0.0, part / whole)
    return torch.where(shares.isnan(), of_infinity, shares)


def _just_below(value: float, dtype: torch.dtype) -> float:
    lowest = torch.tensor(-1.0, dtype=dtype)
    return float(torch.nextafter(torch.tensor(value, dtype=dtype), lowest))
