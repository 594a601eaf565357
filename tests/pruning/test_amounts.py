from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prunetool.pruning.amounts import (
    ShareToward,
    share_toward,
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
