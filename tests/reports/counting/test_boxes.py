from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from prunetool.reports.counting.boxes import box_shape, boxes, read_box

PIECE = 2**17
CUTS = [
    ((), 8, ()),
    ((20,), 8, (8,)),
    ((3, 5), 100, (3, 5)),
    ((3, 5), 12, (2, 5)),
    ((3, 5), 4, (1, 4)),
    # Dim 1 is cut between groups of 8, or of 4 where it has no whole number of those.
    ((2, 24), 23, (1, 16)),
    ((2, 12), 11, (1, 8)),
    ((2, 8, 2), 24, (1, 8, 2)),
    # Eight rows are too many elements: a part of each.
    ((2, 16, 3, 2), 16, (1, 8, 1, 2)),
    ((2, 16, 3, 2), 1, (1, 8, 1, 1)),
    # More slices along dim 1 than are to be remembered.
    ((2, 35), 8, (2, 4)),
    ((2, 80), 17, (2, 8)),
    ((2, 80), 15, (1, 8)),
]


@pytest.mark.parametrize(("shape", "piece", "expected"), CUTS)
def test_what_is_cut(shape, piece, expected):
    assert box_shape(shape, piece) == expected


SIZES = st.one_of(st.integers(1, 5), st.sampled_from([8, 12, 16, 40]))


@settings(max_examples=100, deadline=None)
@given(
    shape=st.lists(SIZES, max_size=4).filter(lambda it: math.prod(it) <= 2000),
    piece=st.integers(1, 50),
)
def test_every_element_is_in_one_box(shape, piece):
    values = torch.arange(torch.Size(shape).numel()).reshape(shape)
    read = []

    def flat(start, stop):
        read.extend(range(start, stop))
        return values.reshape(-1)[start:stop].clone()

    cut = box_shape(shape, piece)
    for box in boxes(shape, cut):
        part = read_box(flat, shape, box)
        assert torch.equal(part, values[tuple(slice(*side) for side in box)])
        assert part.numel() <= max(piece, 8)
    assert sorted(read) == list(range(values.numel()))


@pytest.mark.parametrize(
    "shape", [(2**31,), (2**31, 1), (1, 2**31), (2, 2**30), (2**30, 2), (2, 4, 2**28), (3, 8, 9**8)]
)
def test_a_piece_of_a_large_tensor_is_no_larger(shape):
    assert PIECE // 4 < torch.Size(box_shape(shape, PIECE)).numel() <= PIECE
