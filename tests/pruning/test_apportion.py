from __future__ import annotations

from fractions import Fraction
from math import floor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prunetool.pruning.apportion import apportion


def free(weights: list[int], total: int) -> list[int]:
    """Share out within no bounds but the weights themselves, as sizes are."""
    return apportion(weights, total, least=[0] * len(weights), most=weights)


@pytest.mark.parametrize(
    ("sizes", "total", "expected"),
    [
        ([], 0, []),
        ([0, 0], 0, [0, 0]),
        ([10, 20, 30], 30, [5, 10, 15]),
        ([10, 20, 30], 0, [0, 0, 0]),
        ([10, 20, 30], 60, [10, 20, 30]),
        ([1, 1, 1], 1, [1, 0, 0]),  # equal fractions: the first tensor first
        ([1, 1, 1], 2, [1, 1, 0]),
        ([6, 6, 2], 10, [4, 4, 2]),  # 4.29, 4.29, 1.43
        ([0, 5, 0, 2], 3, [0, 2, 0, 1]),  # 2.14, 0.86
    ],
)
def test_shares_in_proportion(sizes: list[int], total: int, expected: list[int]) -> None:
    assert free(sizes, total) == expected


def test_huge_tensors_lose_no_unit_to_rounding() -> None:
    sizes = [2**53 + 1, 1, 2**53 - 1]
    assert free(sizes, sum(sizes)) == sizes
    assert free(sizes, sum(sizes) - 1) == [2**53, 1, 2**53 - 1]  # fractions: least of the first
    assert sum(free([2**60 + 1, 3, 2**59 + 7], 2**60 + 5)) == 2**60 + 5


@settings(max_examples=200, deadline=None)
@given(data=st.data(), sizes=st.lists(st.integers(0, 10**6), max_size=8))
def test_shares_sum_exactly_and_stay_within_one_of_the_proportion(
    data: st.DataObject, sizes: list[int]
) -> None:
    total = data.draw(st.integers(0, sum(sizes)), label="total")
    shares = free(sizes, total)
    assert sum(shares) == total
    for size, share in zip(sizes, shares, strict=True):
        assert 0 <= share <= size
        assert abs(share - Fraction(size * total, max(1, sum(sizes)))) < 1


@pytest.mark.parametrize(
    ("weights", "total", "least", "most", "expected"),
    [
        # Nothing can be given back, nothing more can be taken.
        ([4, 4], 6, [4, 4], [4, 4], [4, 4]),
        ([4, 4], 3, [2, 2], [4, 4], [2, 2]),
        ([4, 4], 9, [0, 0], [4, 4], [4, 4]),
        # What a lower bound holds, the others do not get: 9 is held, 6 remain for two.
        ([10, 10, 10], 15, [9, 0, 0], [10, 10, 10], [9, 3, 3]),
        ([10, 10, 10], 16, [9, 0, 0], [10, 10, 10], [9, 4, 3]),
        ([10, 10, 10], 16, [9, 5, 0], [10, 10, 10], [9, 5, 2]),
        # What an upper bound refuses, the others take in proportion: 24 = 4 + 20 as 1 to 3.
        ([20, 10, 30], 24, [0, 0, 0], [4, 10, 30], [4, 5, 15]),
        # Both at once: 7 held, 4 capped, 9 of 20 for the third.
        ([10, 10, 10], 20, [7, 0, 0], [10, 4, 10], [8, 4, 8]),
        ([10, 10, 10], 20, [9, 0, 0], [10, 4, 10], [9, 4, 7]),
        # No weight: only when the others have all they can take, the first of them first.
        ([0, 5, 0], 5, [0, 0, 0], [3, 5, 3], [0, 5, 0]),
        ([0, 5, 0], 7, [0, 0, 0], [3, 5, 3], [2, 5, 0]),
        ([0, 5, 0], 9, [0, 0, 0], [3, 5, 3], [3, 5, 1]),
        ([0, 0], 3, [1, 0], [4, 4], [3, 0]),
        # Weights need not be sizes: level 3 gives 1, 2, 3.
        ([Fraction(1, 3), Fraction(2, 3), 1], 6, [0, 0, 0], [9, 9, 9], [1, 2, 3]),
    ],
)
def test_bounds(
    weights: list[int | Fraction],
    total: int,
    least: list[int],
    most: list[int],
    expected: list[int],
) -> None:
    assert apportion(weights, total, least=least, most=most) == expected


def real_shares(
    weights: list[Fraction], total: int, least: list[int], most: list[int]
) -> list[Fraction]:
    """Fix what a bound holds and share out the rest in proportion, until no bound is broken.

    The classical procedure, by rounds; it finds no level and sorts no bends.
    """
    fixed: dict[int, int] = {}
    while True:
        open_ = [i for i in range(len(weights)) if i not in fixed]
        rest = total - sum(fixed.values())
        weight = sum((weights[i] for i in open_), Fraction(0))
        shares = {i: weights[i] * rest / weight for i in open_}
        lacking = sum((max(least[i] - s, Fraction(0)) for i, s in shares.items()), Fraction(0))
        spilling = sum((max(s - most[i], Fraction(0)) for i, s in shares.items()), Fraction(0))
        if not lacking and not spilling:
            return [Fraction(fixed[i]) if i in fixed else shares[i] for i in range(len(weights))]
        for i, share in shares.items():  # only those of the worse side are surely held for good
            if lacking >= spilling and share <= least[i]:
                fixed[i] = least[i]
            if spilling >= lacking and share >= most[i]:
                fixed[i] = most[i]


@settings(max_examples=300, deadline=None)
@given(data=st.data(), count=st.integers(1, 6))
def test_the_shares_are_those_of_fixing_and_sharing_out_again(
    data: st.DataObject, count: int
) -> None:
    most = [data.draw(st.integers(0, 30)) for _ in range(count)]
    least = [data.draw(st.integers(0, high)) for high in most]
    weights = [Fraction(data.draw(st.integers(1, 40)), data.draw(st.integers(1, 5))) for _ in most]
    total = data.draw(st.integers(sum(least), sum(most)), label="total")
    shares = apportion(weights, total, least=least, most=most)
    real = real_shares(weights, total, least, most)
    assert sum(shares) == total
    assert all(low <= s <= high for low, s, high in zip(least, shares, most, strict=True))
    # Largest remainders: all get the whole part, and the largest fractions one more.
    more = {i for i, (s, r) in enumerate(zip(shares, real, strict=True)) if s == floor(r) + 1}
    assert all(s - floor(r) in (0, 1) for s, r in zip(shares, real, strict=True))
    fractions = [(floor(r) - r, i) for i, r in enumerate(real)]
    assert more == {i for _, i in sorted(fractions)[: len(more)]}


@settings(max_examples=200, deadline=None)
@given(data=st.data(), most=st.lists(st.integers(0, 60), min_size=1, max_size=8))
def test_growing_totals_are_met_exactly_by_shares_that_never_fall(
    data: st.DataObject, most: list[int]
) -> None:
    totals = data.draw(st.lists(st.integers(0, sum(most)), max_size=6).map(sorted), label="totals")
    weights = [data.draw(st.integers(0, 50)) for _ in most]
    gone = [0] * len(most)
    for total in totals:
        shares = apportion(weights, total, least=gone, most=most)
        assert sum(shares) == total
        assert all(g <= s <= high for g, s, high in zip(gone, shares, most, strict=True))
        gone = shares
