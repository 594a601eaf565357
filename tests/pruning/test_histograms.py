from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from prunetool.pruning.histograms import HALF, Histogram, ValueCounts, count_values

FLOATS = arrays.arrays(np.float32, st.integers(0, 60), elements=st.floats(width=32))


def by_hand(values, width):
    """Count magnitudes bin by bin, in doubles."""
    counts, zeros, outside = [0] * (2 * HALF), 0, 0
    for value in values.tolist():
        distance = abs(value) / width
        if value == 0:
            zeros += 1
        elif not distance < HALF:
            outside += 1
        elif value > 0:
            counts[HALF + int(distance)] += 1
        else:
            counts[HALF - 1 - int(distance)] += 1
    return Histogram(width, tuple(counts), zeros, outside)


@given(FLOATS, st.integers(-20, 20))
def test_each_value_is_in_its_bin(values, reach):
    width = 2.0**reach / HALF
    assert count_values(torch.from_numpy(values)).histogram(reach) == by_hand(values, width)


@given(FLOATS, FLOATS)
def test_parts_add_up(one, other):
    both = count_values(torch.from_numpy(np.concatenate([one, other])))
    summed = count_values(torch.from_numpy(one)) + count_values(torch.from_numpy(other))
    assert torch.equal(both.codes, summed.codes)
    assert both.zeros == summed.zeros


@given(FLOATS, st.integers(-10, 10), st.integers(0, 8))
def test_wider_bins_are_those_counted_anew(values, reach, further):
    counts = count_values(torch.from_numpy(values))
    narrow, wide = counts.histogram(reach), counts.histogram(reach + further)
    widened = narrow.widened(reach + further)
    assert widened.width == wide.width
    # What was beyond the narrow bins stays beyond: where it is, is not known.
    moved = narrow.outside - wide.outside
    assert (widened.zeros, widened.outside) == (wide.zeros, wide.outside + moved)
    assert sum(wide.counts) - sum(widened.counts) == moved
    if not moved:
        assert widened.counts == wide.counts


def test_bins_are_not_cut():
    with pytest.raises(ValueError, match="cannot be cut"):
        count_values(torch.ones(3)).histogram(3).widened(2)


def test_bins_reach_as_far_as_nearly_all_values():
    values = torch.full((1000,), 0.3)
    values[:5] = 100.0
    assert count_values(values).reach == -1  # (-0.5, 0.5)
    values[:6] = 100.0
    assert count_values(values).reach == 7
    assert count_values(torch.tensor([0.5])).reach == 0  # 0.5 is not within (-0.5, 0.5)
    assert count_values(torch.zeros(4)).reach == 0
    assert ValueCounts.none().histogram().elements == 0


def test_what_is_no_number_is_beyond_the_bins():
    values = torch.tensor([float("nan"), float("inf"), float("-inf"), 0.25, -0.0, 0.0])
    histogram = count_values(values).histogram(0)
    assert (histogram.outside, histogram.zeros, sum(histogram.counts)) == (3, 2, 1)
    assert histogram.elements == 6


def test_the_smallest_values_are_no_zeros():
    values = torch.tensor([1e-45, -1e-45, 0.0, -0.0, -0.0])
    histogram = count_values(values).histogram(0)
    assert histogram.zeros == 3
    assert histogram.counts[HALF - 1 : HALF + 1] == (1, 1)


def test_doubles_that_float32_cannot_hold_are_no_zeros():
    values = torch.tensor([1e-50, -1e-300, 0.0, -0.0, 1e-45, 1e300], dtype=torch.float64)
    histogram = count_values(values).histogram(0)
    assert (histogram.zeros, histogram.outside) == (2, 1)
    assert histogram.counts[HALF - 1 : HALF + 1] == (1, 2)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_floats(dtype):
    values = torch.tensor([[0.5, -0.5], [0.0, 0.75]], dtype=dtype)
    expected = count_values(values.float()).histogram()
    assert count_values(values.t()).histogram() == expected
    assert expected.reach == 0
