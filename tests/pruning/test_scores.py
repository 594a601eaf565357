from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from prunetool.pruning.pieces import piece_size
from prunetool.pruning.scores import NanScoresError, Scores, refuse_nan

PIECE = piece_size(torch.device("cpu"))
T, F = True, False


@pytest.mark.parametrize(
    ("dtype", "compared_in"),
    [
        (torch.float64, torch.float64),
        (torch.float32, torch.float32),
        (torch.float16, torch.float32),
        (torch.bfloat16, torch.float32),
    ],
)
@pytest.mark.parametrize("absolute", [True, False])
def test_pieces_hold_the_scores_wide_enough_to_compare(
    dtype: torch.dtype, compared_in: torch.dtype, absolute: bool
) -> None:
    weight = torch.tensor([[-2.0, 0.5], [math.inf, -0.25]], dtype=dtype, requires_grad=True)
    ((piece, taken),) = Scores("w", weight, absolute=absolute).pieces()
    assert taken is None
    assert piece.dtype == compared_in
    assert piece.tolist() == [2.0 if absolute else -2.0, 0.5, math.inf, 0.25 if absolute else -0.25]
    assert not piece.requires_grad
    assert weight.tolist() == [[-2.0, 0.5], [math.inf, -0.25]]  # the weight itself stays


def test_free_units_are_those_that_are_not_taken() -> None:
    weight = torch.zeros(2, 3)
    assert Scores("w", weight).free == 6
    assert Scores("w", weight, taken=torch.tensor([T, F, F, T, T, F])).free == 3


def test_each_piece_comes_with_its_part_of_what_is_taken() -> None:
    count = PIECE + 3
    taken = torch.zeros(count, dtype=torch.bool)
    taken[PIECE - 1] = taken[PIECE + 1] = True
    parts = [gone for _, gone in Scores("w", torch.zeros(count), taken=taken).pieces()]
    assert [gone.nonzero().view(-1).tolist() for gone in parts if gone is not None] == [
        [PIECE - 1],
        [1],
    ]


def test_scores_may_be_compared_in_double_precision_whatever_the_tensor() -> None:
    scores = Scores("w", torch.tensor([0.1]), double=True)
    ((piece, _),) = scores.pieces()
    assert piece.dtype == scores.at(torch.tensor([0])).dtype == torch.float64
    assert piece.item() == 0.10000000149011612  # the single's own value


@pytest.mark.parametrize(
    ("stride", "absolute", "taken", "expected"),
    [
        (1, False, None, [-1.0, 2.0, -3.0, 4.0, -5.0]),
        (2, True, None, [1.0, 3.0, 5.0]),
        (2, False, [F, F, T, T, F], [-1.0, -5.0]),
        (9, False, None, [-1.0]),
        (9, False, [T, F, F, F, F], []),
    ],
)
def test_a_sample_is_strided_and_holds_only_what_competes(
    stride: int, absolute: bool, taken: list[bool] | None, expected: list[float]
) -> None:
    weight = torch.tensor([-1.0, 2.0, -3.0, 4.0, -5.0])
    gone = None if taken is None else torch.tensor(taken)
    assert Scores("w", weight, absolute, gone).sample(stride).tolist() == expected
    assert weight.tolist() == [-1.0, 2.0, -3.0, 4.0, -5.0]


@pytest.mark.parametrize(
    "tensor",
    [
        torch.arange(24.0).view(2, 3, 4),
        torch.arange(24.0).view(2, 3, 4).permute(2, 0, 1),
        torch.arange(48.0).view(2, 3, 8)[..., ::2],
        torch.arange(24.0).view(1, 4, 3, 2).to(memory_format=torch.channels_last),
        torch.tensor(5.0).expand(3, 8),
    ],
    ids=["plain", "permuted", "strided", "channels last", "expanded"],
)
def test_scores_at_positions_of_the_row_major_order(tensor: Tensor) -> None:
    positions = torch.tensor([0, 7, 7, 23, 10])
    expected = np.ascontiguousarray(tensor.numpy()).reshape(-1)[positions.numpy()]
    assert Scores("w", tensor).at(positions).tolist() == expected.tolist()
    assert Scores("w", -tensor, absolute=True).at(positions).tolist() == expected.tolist()


def test_nan_is_refused_with_its_name_and_count_where_it_competes() -> None:
    weight = torch.tensor([[1.0, math.nan], [math.nan, math.nan]])
    with pytest.raises(NanScoresError, match=r"^block\.weight: 3 of 4 scores are NaN"):
        refuse_nan(Scores("block.weight", weight))
    with pytest.raises(NanScoresError, match=r"^block\.weight: 1 of 2 scores are NaN"):
        refuse_nan(Scores("block.weight", weight, taken=torch.tensor([F, T, T, F])))
    refuse_nan(Scores("block.weight", weight, taken=torch.tensor([F, T, T, T])))
    refuse_nan(Scores("block.weight", torch.tensor([math.inf, -math.inf])))
