from __future__ import annotations

import pytest
import torch

from prunetool.reports.zeropatterns import zero_pattern

PATTERNS = [
    ([[1, 2], [3, 4]], None),
    ([[1, 0], [3, 4]], "elements"),
    ([[0, 0], [3, 4]], "channels:0"),
    ([[0, 2], [0, 4]], "channels:1"),
    ([[0, 0], [0, 0]], "channels:0"),
    ([[0, 0], [0, 4]], "elements"),
    ([0, 1, 2], "elements"),
    ([0, 0], "elements"),
    ([[0], [1]], "elements"),
    (0.0, "elements"),
    ([], None),
    ([[1, 0, 0, 1], [0, 1, 1, 0], [1, 0, 1, 0]], "2:4"),
    ([[1, 0, 0, 0], [0, 0, 1, 0], [1, 0, 0, 0]], "1:4"),
    ([[1, 1, 1, 1, 0, 0, 0, 0], [1, 0, 1, 0, 1, 1, 0, 0]], "4:8"),
    ([[1, 1, 1, 0], [0, 1, 0, 0]], "elements"),
    ([[1, 0, 0, 1, 0, 0], [1, 0, 0, 0, 1, 1]], "elements"),
    ([[float("nan"), 0], [1, 1]], "elements"),
]


@pytest.mark.parametrize(("values", "expected"), PATTERNS)
def test_patterns(values, expected):
    assert zero_pattern(torch.tensor(values)) == expected


def test_groups_of_a_convolution_run_along_its_input_channels():
    weight = torch.ones(3, 4, 2, 2)
    weight[:, ::2] = 0
    weight[0, 0, 0, 0], weight[0, 1, 0, 0] = 1, 0

    assert zero_pattern(weight) == "2:4"


def test_whole_filters_and_whole_inputs_of_a_convolution():
    filters, inputs = torch.ones(2, 3, 4, 5, 5)
    filters[1] = 0
    inputs[:, 2] = 0

    assert (zero_pattern(filters), zero_pattern(inputs)) == ("channels:0", "channels:1")


def test_many_more_zeros_than_a_group_needs_are_no_group_pattern():
    weight = torch.zeros(8, 64)
    weight[:, 0] = 1
    weight[0, 63] = 1

    assert zero_pattern(weight) == "elements"
