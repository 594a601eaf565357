from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from prunetool.reports.counting.zeros import find_zeros

DTYPES = [
    *(torch.float32, torch.float16, torch.bfloat16, torch.float64, torch.float8_e4m3fn),
    *(torch.float8_e4m3fnuz, torch.complex64, torch.int64, torch.uint8, torch.bool),
]


def dead_channels(values, piece=2**17):
    flat = values.reshape(-1)
    found = find_zeros(lambda start, stop: flat[start:stop].clone(), values.shape, piece=piece)
    return found.dead_channels


def by_definition(values):
    return tuple(
        int((~(values != 0).any(dim=[it for it in range(values.dim()) if it != dim])).sum())
        for dim in (0, 1)
    )


CASES = [
    ([[0, 0], [0, 4]], (1, 1)),
    ([[1, 0, 0], [0, 0, 0], [0, 0, 3]], (1, 1)),
    ([[0, 0], [0, 0]], (2, 2)),
    ([[1, 0], [0, 1]], (0, 0)),
    ([[0], [1]], (1, 0)),
    ([0, 0], ()),
    (0.0, ()),
    ([[], []], (0, 0)),
]


@pytest.mark.parametrize("piece", [1, 8, 2**20])
@pytest.mark.parametrize(("values", "expected"), CASES)
def test_whatever_the_pattern(values, expected, piece):
    assert dead_channels(torch.tensor(values), piece) == expected


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_dtype_and_both_zeros(dtype):
    values = torch.tensor([[0.0, 1.0, -0.0], [-0.0, 0.0, 0.0], [0.0, 1.0, 0.0]]).to(dtype)

    assert dead_channels(values) == (1, 2)


@pytest.mark.parametrize("shape", [(40, 3000), (3000, 40), (600, 600), (70, 90, 3, 3)])
def test_far_from_the_first_elements(shape):
    values = torch.zeros(shape)
    last = torch.arange(shape[0]) % shape[1]
    values.reshape(*shape[:2], -1)[torch.arange(shape[0]), last, -1] = 1
    values[7] = 0

    for piece in (2**10, 2**14, 2**17):
        assert dead_channels(values, piece) == (1, max(shape[1] - shape[0] + 1, 0))


MOST = 100_000  # elements
MOST_PIECES = 200


@st.composite
def tensors(draw):
    """Tensors of 2 to 4 dims with zeros of any density, and slices emptied along both dims."""
    sizes = st.one_of(st.integers(1, 6), st.sampled_from([8, 12, 40, 70]))
    shape = draw(st.lists(sizes, min_size=2, max_size=4))
    while math.prod(shape) > MOST:
        shape.pop()
    torch.manual_seed(draw(st.integers(0, 1000)))
    values = (torch.rand(shape) < draw(st.sampled_from([0.02, 0.1, 0.5, 1.0]))).float()
    for dim in (0, 1):
        share = draw(st.sampled_from([0.0, 0.1, 0.5, 0.95]))
        values.index_fill_(dim, torch.arange(shape[dim])[torch.rand(shape[dim]) < share], 0)
    return values


@settings(max_examples=150, deadline=None)
@given(values=tensors(), piece=st.sampled_from([1, 3, 8, 40, 300, 2**10, 2**17]))
def test_whatever_the_pieces(values, piece):
    piece = max(piece, values.numel() // MOST_PIECES)  # each takes some 50 microseconds

    assert dead_channels(values, piece) == by_definition(values)
