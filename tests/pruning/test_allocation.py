from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prunetool.pruning.allocation import (
    ShareToward,
    share_toward,
    uniform,
    units_at,
    units_to_remove,
)


@pytest.mark.parametrize(
    ("amount", "remaining", "expected"),
    [
        (0, 10, 0),
        (3, 10, 3),
        (10, 10, 10),
        (np.int64(4), 10, 4),
        (0.0, 10, 0),
        (1.0, 10, 10),
        (0.5, 0, 0),
        (0.24, 10, 2),
        (0.26, 10, 3),
        (np.float32(0.5), 10, 5),
        (0.5, 5, 2),  # 2.5: half to even, down
        (0.5, 7, 4),  # 3.5: half to even, up
    ],
)
def test_an_amount_as_a_number_of_units(amount: Any, remaining: int, expected: int) -> None:
    assert units_to_remove(amount, remaining) == expected


@pytest.mark.parametrize(
    ("amount", "error", "message"),
    [
        ("0.5", TypeError, "amount: expected an int or a float, got '0.5'"),
        (None, TypeError, "got None"),
        (True, TypeError, "got True"),
        (1j, TypeError, "got 1j"),
        (-1, ValueError, "amount=-1: expected a number of units between 0 and the 10 that remain"),
        (11, ValueError, "amount=11: .* between 0 and the 10 that remain; give a float"),
        (-0.1, ValueError, r"amount=-0.1: expected a float in \[0, 1\] or a non-negative int"),
        (1.5, ValueError, r"amount=1.5: expected a float in \[0, 1\]"),
        (math.nan, ValueError, "amount=nan"),
        (math.inf, ValueError, "amount=inf"),
    ],
)
def test_amounts_that_mean_nothing(amount: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        units_to_remove(amount, 10)


@pytest.mark.parametrize(
    ("sparsity", "total", "expected"),
    [(0.0, 7, 0), (1.0, 7, 7), (0.5, 5, 2), (0.5, 7, 4), (0.9, 266_200, 239_580)],
)
def test_units_at_a_sparsity(sparsity: float, total: int, expected: int) -> None:
    assert units_at(sparsity, total) == expected


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
    assert uniform(sizes, total) == expected


def test_huge_tensors_lose_no_unit_to_rounding() -> None:
    sizes = [2**53 + 1, 1, 2**53 - 1]
    assert uniform(sizes, sum(sizes)) == sizes


@settings(max_examples=200, deadline=None)
@given(data=st.data(), sizes=st.lists(st.integers(0, 10**6), max_size=8))
def test_shares_sum_exactly_and_stay_within_one_of_the_proportion(
    data: st.DataObject, sizes: list[int]
) -> None:
    total = data.draw(st.integers(0, sum(sizes)), label="total")
    shares = uniform(sizes, total)
    assert sum(shares) == total
    for size, share in zip(sizes, shares, strict=True):
        assert 0 <= share <= size
        assert abs(share - Fraction(size * total, max(1, sum(sizes)))) < 1


def test_more_in_all_never_takes_back_what_a_tensor_has_lost() -> None:
    # In proportion alone the third would have 2 of 10 but only 1 of 11.
    assert uniform([6, 6, 2], 11) == [5, 5, 1]
    assert uniform([6, 6, 2], 11, at_least=[4, 4, 2]) == [5, 4, 2]


@pytest.mark.parametrize(
    ("sizes", "total", "at_least", "expected"),
    [
        ([4, 4], 4, [0, 0], [2, 2]),
        ([4, 4], 4, [4, 0], [4, 0]),
        ([4, 4], 5, [4, 0], [4, 1]),
        ([10, 10, 10], 15, [9, 0, 0], [9, 3, 3]),
        ([10, 10, 10], 16, [9, 0, 0], [9, 4, 3]),
        ([10, 10, 10], 16, [9, 5, 0], [9, 5, 2]),
        ([4, 4], 6, [4, 4], [4, 4]),  # more has gone already than the total: nothing comes back
    ],
)
def test_tensors_that_have_lost_more_than_their_share_keep_it(
    sizes: list[int], total: int, at_least: list[int], expected: list[int]
) -> None:
    assert uniform(sizes, total, at_least=at_least) == expected


@settings(max_examples=200, deadline=None)
@given(data=st.data(), sizes=st.lists(st.integers(0, 60), min_size=1, max_size=8))
def test_growing_totals_are_met_exactly_by_shares_that_only_grow(
    data: st.DataObject, sizes: list[int]
) -> None:
    totals = data.draw(st.lists(st.integers(0, sum(sizes)), max_size=6).map(sorted), label="totals")
    gone = [0] * len(sizes)
    for total in totals:
        shares = uniform(sizes, total, at_least=gone)
        assert sum(shares) == total
        assert all(
            before <= after <= size for before, after, size in zip(gone, shares, sizes, strict=True)
        )
        gone = shares


@settings(max_examples=200, deadline=None)
@given(data=st.data(), sizes=st.lists(st.integers(0, 60), min_size=1, max_size=6))
def test_any_start_is_levelled_as_far_as_it_can_be(data: st.DataObject, sizes: list[int]) -> None:
    gone = [data.draw(st.integers(0, size)) for size in sizes]
    total = data.draw(st.integers(sum(gone), sum(sizes)), label="total")
    shares = uniform(sizes, total, at_least=gone)
    assert sum(shares) == total
    assert all(g <= share <= size for g, share, size in zip(gone, shares, sizes, strict=True))
    # Who is further above its proportion than another has kept, not gained.
    excess = [
        Fraction(share) - Fraction(size * total, max(1, sum(sizes)))
        for share, size in zip(shares, sizes, strict=True)
    ]
    gainers = [e for e, g, share in zip(excess, gone, shares, strict=True) if share > g]
    open_ = [e for e, share, size in zip(excess, shares, sizes, strict=True) if share < size]
    assert not gainers or not open_ or max(gainers) - min(open_) <= 1


def test_a_share_toward_a_sparsity_is_that_share_as_a_number() -> None:
    share = share_toward(0.75, removed=40, total=80)
    assert isinstance(share, ShareToward)
    assert share == 0.5  # 20 of the 40 that remain
    assert share.sparsity == 0.75


@pytest.mark.parametrize(
    ("sparsity", "removed", "total", "expected"),
    [
        (0.5, 50, 100, 0.0),
        (0.5, 70, 100, 0.0),  # beyond the target already
        (1.0, 0, 10, 1.0),
        (1.0, 10, 10, 0.0),
        (0.5, 0, 0, 0.0),
    ],
)
def test_a_share_stays_in_its_interval(
    sparsity: float, removed: int, total: int, expected: float
) -> None:
    assert share_toward(sparsity, removed=removed, total=total) == expected


@settings(max_examples=200, deadline=None)
@given(data=st.data(), total=st.integers(1, 10**9), sparsity=st.floats(0, 1))
def test_taken_as_a_plain_float_the_share_is_right_too(
    data: st.DataObject, total: int, sparsity: float
) -> None:
    removed = data.draw(st.integers(0, units_at(sparsity, total)), label="removed")
    share = float(share_toward(sparsity, removed=removed, total=total))
    assert removed + units_to_remove(share, total - removed) == units_at(sparsity, total)
