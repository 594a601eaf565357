from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prunetool.reports.pictures.axes import axis_over, count_axis, share_axis, short, time_axis

FINITE = st.floats(-1e12, 1e12).filter(lambda it: it == 0 or abs(it) > 1e-6)


@pytest.mark.parametrize(
    ("values", "ticks"),
    [
        ([0.6, 0.98], (0.6, 0.7, 0.8, 0.9, 1.0)),
        ([0.07, 1.0], (0.0, 0.5, 1.0)),
        ([-3, 4], (-4.0, -2.0, 0.0, 2.0, 4.0)),
        ([5.0, 5.0], (5.0, 7.0, 9.0, 10.0)),
        ([float("nan"), float("inf"), 1.0, 2.0], (1.0, 1.5, 2.0)),
        ([], (0.0, 0.5, 1.0)),
    ],
)
def test_round_ticks(values, ticks):
    axis = axis_over(values, "x")
    assert axis.ticks[0] <= min([it for it in values if it < 9e9] or [0.0])
    assert set(axis.ticks) & set(ticks)
    steps = {round(b - a, 9) for a, b in pairwise(axis.ticks)}
    assert len(steps) == 1


@given(st.lists(FINITE, min_size=1, max_size=20))
def test_the_axis_holds_all_values(values):
    axis = axis_over(values, "x")
    span = axis.high - axis.low
    assert 2 <= len(axis.ticks) <= 8
    assert all(-1e-6 <= axis.place(value) <= 1 + 1e-6 for value in values)
    assert axis.low < axis.high
    assert span > 0


@given(st.lists(st.integers(0, 10**12), max_size=20))
def test_counts_and_steps_are_whole(values):
    for axis in (count_axis(values, "n"), time_axis(values, "steps")):
        assert axis.low == 0
        assert axis.high >= max(values, default=0)
        assert all(tick == int(tick) and tick <= axis.high for tick in axis.ticks)
    assert time_axis(values, "steps").high == max([1, *values])


def test_labels():
    assert [share_axis("s").label(tick) for tick in (0, 0.25, 1)] == ["0 %", "25 %", "100 %"]
    numbers = [0, 0.5, -0.125, 1000, 9999, 20_000, 3_000_000, 2e9, 2e-5, 1e30]
    assert [short(number) for number in numbers] == [
        "0", "0.5", "-0.125", "1,000", "9,999", "20k", "3M", "2G", "2e-05", "1e+30"
    ]  # fmt: skip
