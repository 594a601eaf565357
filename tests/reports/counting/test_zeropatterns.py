from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from prunetool.reports.counting.zeros import find_zeros

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


def zero_pattern(values, piece=2**20):
    flat = values.reshape(-1)
    return find_zeros(
        lambda start, stop: flat[start:stop].clone(), values.shape, piece=piece
    ).pattern


@pytest.mark.parametrize("piece", [1, 8, 2**20])
@pytest.mark.parametrize(("values", "expected"), PATTERNS)
def test_patterns(values, expected, piece):
    assert zero_pattern(torch.tensor(values), piece) == expected


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


def pattern_of_a_whole_tensor(values):
    """The same by its definition, with all elements at hand."""
    nonzero = values != 0
    zeros = nonzero.numel() - int(nonzero.count_nonzero())
    if zeros == 0:
        return None
    for dim in range(nonzero.dim()):
        if zeros_in_empty_slices(nonzero, dim) == zeros:
            return f"channels:{dim}"
    for kept, group in ((2, 4), (4, 8), (1, 4)):
        surplus = zeros / nonzero.numel() - (1 - kept / group)
        if abs(surplus) <= 0.05 and keeps_at_most(nonzero, kept, group):
            return f"{kept}:{group}"
    return "elements"


def zeros_in_empty_slices(nonzero, dim):
    slice_size = nonzero.numel() // nonzero.shape[dim]
    if slice_size < 2:
        return -1
    others = [other for other in range(nonzero.dim()) if other != dim]
    return int((~nonzero.any(dim=others)).sum()) * slice_size


def keeps_at_most(nonzero, kept, group):
    if nonzero.dim() <= 1 or nonzero.shape[1] % group:
        return False
    rows, width, *rest = nonzero.shape
    groups = nonzero.reshape(rows, width // group, group, *rest)
    return bool((groups.sum(dim=2, dtype=torch.int32) <= kept).all())


@st.composite
def tensors(draw):
    """Tensors of 0 to 4 dims with dense, scattered, channel and N:M zeros, one perhaps spoilt."""
    sizes = st.one_of(st.integers(1, 5), st.sampled_from([8, 12, 16]))
    shape = draw(st.lists(sizes, max_size=4))
    values = torch.ones(shape)
    torch.manual_seed(draw(st.integers(0, 1000)))
    kind = draw(st.sampled_from(["dense", "elements", "all", "channels", "2:4", "4:8", "1:4"]))
    if kind == "elements":
        values[torch.rand(shape) < draw(st.sampled_from([0.1, 0.5, 0.75, 0.9]))] = 0
    elif kind == "all":
        values.zero_()
    elif kind == "channels" and shape:
        dim = draw(st.integers(0, len(shape) - 1))
        values.index_fill_(dim, torch.arange(shape[dim])[torch.rand(shape[dim]) < 0.5], 0)
    elif ":" in kind and len(shape) > 1 and shape[1] % int(kind[2]) == 0:
        kept, group = int(kind[0]), int(kind[2])
        order = torch.rand(shape[0], shape[1] // group, group, *shape[2:]).argsort(2)
        values = (order < kept).float().reshape(shape)
    if draw(st.booleans()):
        values.reshape(-1)[draw(st.integers(0, values.numel() - 1))] = draw(st.integers(0, 1))
    return values


@settings(max_examples=200, deadline=None)
@given(values=tensors(), piece=st.sampled_from([1, 2, 3, 4, 7, 8, 9, 16, 40, 100, 2**20]))
def test_the_pattern_does_not_depend_on_the_pieces(values, piece):
    piece = max(piece, values.numel() // 200)  # each takes some 50 microseconds

    assert zero_pattern(values, piece) == pattern_of_a_whole_tensor(values)
