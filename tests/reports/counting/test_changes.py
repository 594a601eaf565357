from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from prunetool.reports.counting.changes import Change, ChangeCounter

NAN, INF = math.nan, math.inf


def change(old, new):
    counter = ChangeCounter()
    counter.see(old, new)
    return counter.change()


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ([0.0, 1.0, 2.0, 3.0], [0.0, 1.0, 2.0, 3.0], Change(0, 0, 0.0)),
        ([0.0, 0.0, 2.0, 3.0], [5.0, 0.0, 0.0, 3.5], Change(1, 1, 0.5)),
        ([0.0, -0.0], [-0.0, 0.0], Change(0, 0, 0.0)),
        ([0.0, 1.0], [7.0, 0.0], Change(1, 1, 0.0)),
        ([1.0, -2.0], [-1.0, -2.25], Change(0, 0, 2.0)),
        ([], [], Change(0, 0, 0.0)),
        # NaN is not zero; that it stays is no change, that it comes or goes is the largest.
        ([NAN, 1.0], [NAN, 1.5], Change(0, 0, 0.5)),
        ([NAN, 1.0], [2.0, 1.0], Change(0, 0, INF)),
        ([1.0, 1.0], [NAN, 3.0], Change(0, 0, INF)),
        ([0.0, NAN], [NAN, 0.0], Change(1, 1, 0.0)),
        ([INF, 1.0], [INF, 1.5], Change(0, 0, 0.5)),
        ([INF, 1.0], [-INF, 1.5], Change(0, 0, INF)),
        ([0.0, INF], [INF, 0.0], Change(1, 1, 0.0)),
    ],
)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
def test_by_hand(old, new, expected, dtype):
    assert change(torch.tensor(old).to(dtype), torch.tensor(new).to(dtype)) == expected


def test_of_unlike_dtypes_the_values_are_compared():
    old = torch.tensor([1.0, 0.1, 0.0, 1e-30])
    new = old.half()

    found = change(old, new)

    assert found == Change(0, 1, float(abs(Fraction(float(old[1])) - Fraction(float(new[1])))))


@pytest.mark.parametrize("dtype", [torch.float8_e4m3fn, torch.float8_e5m2, torch.int32])
def test_narrow_and_whole_numbers(dtype):
    old, new = (torch.tensor(it).to(dtype) for it in ([0.0, 1.0, 2.0], [3.0, 0.0, 4.0]))

    assert change(old, new) == Change(1, 1, 2.0)


def test_complex_numbers():
    old, new = torch.tensor([0j, 1 + 1j, 3j]), torch.tensor([1j, 1 - 1j, 3 + 0j])

    assert change(old, new) == Change(1, 0, pytest.approx(math.sqrt(18)))


def test_what_overflows_is_infinite():
    old, new = (torch.tensor([it], dtype=torch.float64) for it in (-1.7e308, 1.7e308))

    assert change(old, new) == Change(0, 0, INF)


FLOATS = st.sampled_from([0.0, -0.0, 1.0, -2.5, 3e38, 1e-45, NAN, INF, -INF])


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(FLOATS, FLOATS), min_size=1, max_size=12), st.integers(1, 12))
def test_pieces_add_up_to_what_numpy_says(pairs, piece):
    old, new = (torch.tensor(it) for it in zip(*pairs, strict=True))
    counter = ChangeCounter()
    for start in range(0, len(pairs), piece):
        counter.see(old[start : start + piece], new[start : start + piece])

    was, now = old.double().numpy(), new.double().numpy()
    largest = 0.0
    for before, after in zip(was, now, strict=True):
        if 0 in (before, after) or before == after or np.isnan([before, after]).all():
            continue
        both_finite = np.isfinite([before, after]).all()
        largest = max(largest, abs(after - before) if both_finite else INF)
    assert counter.change() == Change(
        int(((was == 0) & (now != 0)).sum()), int(((was != 0) & (now == 0)).sum()), largest
    )


def test_long_pieces():
    torch.manual_seed(0)
    old, new = torch.randn(2, 50_001), torch.randn(2, 50_001)
    old[:, ::3] = 0
    new[:, ::2] = 0
    kept = (old != 0) & (new != 0)

    found = change(old, new)

    assert found.regrown == int(((old == 0) & (new != 0)).sum())
    assert found.newly_pruned == int(((old != 0) & (new == 0)).sum())
    assert found.largest == float((new.double() - old.double())[kept].abs().max())
