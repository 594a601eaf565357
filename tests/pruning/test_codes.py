from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from prunetool.pruning import codes
from prunetool.pruning.codes import ABOVE, BELOW, BETWEEN
from prunetool.pruning.pieces import piece_size

CPU = torch.device("cpu")


def coded(values: list[int] | Tensor) -> Tensor:
    room = codes.room_for(len(values), CPU)
    room[: len(values)] = torch.as_tensor(values, dtype=torch.uint8)
    return room


@pytest.mark.parametrize(("count", "room"), [(0, 0), (1, 8), (8, 8), (9, 16), (4097, 4104)])
def test_there_is_room_in_whole_words_and_the_rest_is_above(count: int, room: int) -> None:
    made = codes.room_for(count, CPU)
    assert made.numel() == room
    assert made[count:].tolist() == [ABOVE] * (room - count)


def test_by_hand() -> None:
    made = coded([BELOW, BETWEEN, ABOVE, BELOW, BELOW, BELOW, BELOW, BETWEEN, BETWEEN, BELOW])
    assert codes.between(made).tolist() == [1, 7, 8]
    assert codes.as_marks(made, 10).tolist() == [
        *(True, False, False, True, True, True, True, False),
        *(False, True),
    ]


@settings(max_examples=300, deadline=None)
@given(values=st.lists(st.sampled_from([ABOVE, BETWEEN, BELOW]), max_size=70))
def test_any_codes_are_read_as_numpy_reads_them(values: list[int]) -> None:
    made = coded(values)
    found = codes.between(made)
    assert found.dtype == torch.int64
    assert found.tolist() == np.flatnonzero(np.array(values) == BETWEEN).tolist()
    assert codes.as_marks(made, len(values)).tolist() == [value == BELOW for value in values]


@pytest.mark.parametrize("extra", [-1, 0, 1, 7, 8, 9])
def test_codes_of_several_pieces(extra: int) -> None:
    # Words are looked at in pieces of as many as there are elements in one.
    count = piece_size(CPU) * 8 + extra
    generator = torch.Generator().manual_seed(0)
    kinds = torch.tensor([ABOVE, BETWEEN, BELOW], dtype=torch.uint8)
    values = kinds[torch.randint(0, 3, (count,), generator=generator)]
    made = coded(values)
    assert np.array_equal(codes.between(made).numpy(), np.flatnonzero(values.numpy() == BETWEEN))
    assert np.array_equal(codes.as_marks(made, count).numpy(), values.numpy() == BELOW)
