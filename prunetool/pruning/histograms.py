"""How values are spread: exact counts in bins whose width is a power of two, from one pass.

A float32 is cut to its first 16 bits, its *code*: sign, exponent, and seven digits of the
mantissa. Every multiple ``i * 2**k`` with ``i <= 256`` is where the interval of a code begins, so
that counts of codes add up to exact counts in bins of any such width, chosen afterwards; and counts
add up over processes that hold parts of a tensor.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import frexp

import torch
from torch import Tensor

from prunetool.pruning.pieces import pieces

HALF = 32  # bins on each side of zero
_CODES = 1 << 16
_MAGNITUDES = _CODES // 2
_INFINITE = 0x7F80  # the code of infinity; those above are NaN
_MANTISSA = 7
_LEAST = torch.tensor(2.0**-149)  # above zero
_BIAS = 126  # magnitudes of the biased exponent E are below 2 ** (E - _BIAS)
# Share of the nonzero values that has to lie within the bins: a few large ones would make the rest
# a single bar.
_WITHIN = 0.995


@dataclass(frozen=True)
class Histogram:
    """Counts in bins on both sides of zero.

    Attributes:
        width: of a bin, a power of two.
        counts: of values that are not zero, in an even number of bins, half of them below zero;
            bin i from the middle holds magnitudes in [i * width, (i + 1) * width).
        zeros: values that are zero.
        outside: values beyond the bins, infinities and NaN included.
    """

    width: float
    counts: tuple[int, ...]
    zeros: int
    outside: int

    @property
    def elements(self) -> int:
        """All values, those in no bin included."""
        return sum(self.counts) + self.zeros + self.outside

    @property
    def reach(self) -> int:
        """Give e where the bins lie in (-2**e, 2**e)."""
        return frexp(self.width * (len(self.counts) // 2))[1] - 1

    def widened(self, reach: int) -> Histogram:
        """Give the same counts in as many bins that reach as far as ``2**reach``, or further.

        Raises:
            ValueError: if these bins reach further already.
        """
        factor = 2 ** (reach - self.reach) if reach >= self.reach else 0
        if not factor:
            raise ValueError(f"bins of width {self.width:g} cannot be cut")
        half = len(self.counts) // 2
        counts = [0] * len(self.counts)
        for place, count in enumerate(self.counts):
            distance = (place - half if place >= half else half - 1 - place) // factor
            counts[half + distance if place >= half else half - 1 - distance] += count
        return Histogram(self.width * factor, tuple(counts), self.zeros, self.outside)


@dataclass(frozen=True)
class ValueCounts:
    """How often each code occurs.

    Attributes:
        codes: int64 of 65536, zeros left out.
        zeros: values that are zero.
    """

    codes: Tensor
    zeros: int = 0

    @classmethod
    def none(cls) -> ValueCounts:
        """Count nothing yet."""
        return cls(torch.zeros(_CODES, dtype=torch.int64))

    def __add__(self, other: ValueCounts) -> ValueCounts:
        return ValueCounts(self.codes + other.codes, self.zeros + other.zeros)

    @property
    def reach(self) -> int:
        """Give the lowest e for which nearly all values that are not zero are in (-2**e, 2**e)."""
        finite = self._magnitudes()[:_INFINITE].view(-1, 1 << _MANTISSA).sum(1).cumsum(0)
        if not int(finite[-1]):
            return 0
        enough = torch.searchsorted(finite.double(), float(finite[-1]) * _WITHIN)
        return int(enough) - _BIAS

    def histogram(self, reach: int | None = None) -> Histogram:
        """Put them into bins in (-2**reach, 2**reach); by default where nearly all are."""
        reach = self.reach if reach is None else reach
        width = 2.0**reach / HALF
        starts = (torch.arange(_INFINITE, dtype=torch.int32) << 16).view(torch.float32)
        bins = (starts.double() / width).clamp(max=HALF).long()
        sides = []
        for side in (self.codes[:_MAGNITUDES], self.codes[_MAGNITUDES:]):
            sides.append(torch.zeros(HALF + 1, dtype=torch.int64))
            sides[-1].index_add_(0, bins, side[:_INFINITE])
            sides[-1][HALF] += side[_INFINITE:].sum()
        above, below = sides
        counts = torch.cat([below[:HALF].flip(0), above[:HALF]])
        outside = int(above[HALF] + below[HALF])
        return Histogram(width, tuple(counts.tolist()), self.zeros, outside)

    def _magnitudes(self) -> Tensor:
        return self.codes[:_MAGNITUDES] + self.codes[_MAGNITUDES:]


def count_values(tensor: Tensor) -> ValueCounts:
    """Count the values of a floating tensor; doubles are rounded to float32, but never to 0."""
    codes = torch.zeros(_CODES, dtype=torch.int64)
    zeros = 0
    for piece in pieces(tensor.detach()):
        single = _single(piece)
        kept = int(single.count_nonzero())
        zeros += single.numel() - kept
        bits = (single.view(torch.int32) >> 16) & (_CODES - 1)
        codes += torch.bincount(bits, minlength=_CODES).cpu()
        _leave_out_zeros(codes, single, kept)
    return ValueCounts(codes, zeros)


def _single(values: Tensor) -> Tensor:
    single = values.float()
    if values.dtype == torch.float64:
        lost = (single == 0) & (values != 0)
        single = torch.where(lost, torch.copysign(_LEAST, single), single)
    return single


def _leave_out_zeros(codes: Tensor, values: Tensor, kept: int) -> None:
    """Take the zeros of ``values`` from the codes that they share with the smallest magnitudes."""
    if kept == values.numel():
        return
    negative = int(((values == 0) & values.signbit()).count_nonzero())
    codes[0] -= values.numel() - kept - negative
    codes[_MAGNITUDES] -= negative
