"""Sharing a whole number of units among tensors: in proportion, within bounds, to the unit."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from fractions import Fraction


def apportion(
    weights: Sequence[int | Fraction],
    total: int,
    *,
    least: Sequence[int],
    most: Sequence[int],
) -> list[int]:
    """Share ``total`` in proportion to ``weights``, each share within its bounds.

    The real-valued shares are ``clip(level * weight, least, most)`` with the one level at which
    they sum to ``total``; so what a bound takes from a tensor, or gives it, the others make up in
    proportion. Each then gets the whole part, and what is missing goes one by one to the largest
    fractions, the first tensor first among equals (the method of largest remainders). Arithmetic
    is exact: a float product could lose a unit in a large tensor.

    Args:
        weights: not negative; a tensor of weight 0 gets its ``least`` while others can take more.
        total: units to share out.
        least: what each gets at least.
        most: what each gets at most; not below ``least``.

    Returns:
        Shares that sum to ``total``; or ``least`` where that alone is more, or ``most`` where all
        of it is less.
    """
    if sum(least) >= total:
        return list(least)
    if sum(most) <= total:
        return list(most)
    shares = _levelled(weights, total, least, most)
    whole = [share.numerator // share.denominator for share in shares]
    by_fraction = sorted(range(len(shares)), key=lambda i: (whole[i] - shares[i], i))
    for i in by_fraction[: total - sum(whole)]:
        whole[i] += 1
    return whole


def _levelled(
    weights: Sequence[int | Fraction], total: int, least: Sequence[int], most: Sequence[int]
) -> list[Fraction]:
    """Give the real-valued shares."""
    bounded = list(zip(map(Fraction, weights), least, most, strict=True))

    def at(level: Fraction) -> list[Fraction]:
        return [min(max(level * w, Fraction(low)), Fraction(high)) for w, low, high in bounded]

    # Between two neighbouring levels at which a share meets a bound, their sum is linear.
    bends = sorted({Fraction(b) / w for w, low, high in bounded if w for b in (low, high)})
    i = bisect_left(bends, Fraction(total), key=lambda level: sum(at(level), Fraction(0)))
    if i == len(bends):
        return _weightless(at(bends[-1]) if bends else [Fraction(x) for x in least], total, bounded)
    if i == 0:
        return at(bends[0])
    (low, high), (under, over) = bends[i - 1 : i + 1], (sum(at(b)) for b in bends[i - 1 : i + 1])
    return at(low + (high - low) * (total - under) / (over - under))


def _weightless(
    shares: list[Fraction], total: int, bounded: Sequence[tuple[Fraction, int, int]]
) -> list[Fraction]:
    """All of weight have their most: the rest comes from those without, the first first."""
    missing = total - sum(shares)
    for i, (weight, _, high) in enumerate(bounded):
        if not weight:
            taken = min(missing, high - shares[i])
            shares[i] += taken
            missing -= taken
    return shares
