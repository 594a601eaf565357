from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from prunetool.pruning.criteria import (
    Criterion,
    Norm,
    channel_norm,
    channel_sum,
    element_scores,
    random_scores,
)

WEIGHT = torch.nn.Parameter(torch.tensor([[-2.0, 0.5], [0.0, -math.inf]]))
SUMS = torch.tensor([[-1.0, 3.0], [0.0, 2.0]])


def test_magnitude_is_the_absolute_value_of_the_weight_itself_without_a_gradient() -> None:
    scores, absolute = element_scores(Criterion.MAGNITUDE, WEIGHT, None)
    assert scores.data_ptr() == WEIGHT.data_ptr()  # no tensor of its own
    assert absolute
    assert not scores.requires_grad


@pytest.mark.parametrize("criterion", [Criterion.SALIENCY, Criterion.MOVEMENT])
def test_first_order_criteria_score_by_what_was_gathered_signs_kept(criterion: Criterion) -> None:
    scores, absolute = element_scores(criterion, WEIGHT, SUMS)
    assert scores.tolist() == [[-1.0, 3.0], [0.0, 2.0]]
    assert not absolute


@pytest.mark.parametrize("criterion", [Criterion.SALIENCY, Criterion.MOVEMENT])
def test_what_had_no_gradient_goes_last(criterion: Criterion) -> None:
    scores, absolute = element_scores(criterion, WEIGHT, None)
    assert scores.tolist() == [[math.inf, math.inf], [math.inf, math.inf]]
    assert not absolute


@pytest.mark.parametrize(
    ("criterion", "gradients", "magnitude_like"),
    [
        (Criterion.MAGNITUDE, False, True),
        (Criterion.RANDOM, False, False),
        (Criterion.SALIENCY, True, True),
        (Criterion.MOVEMENT, True, False),
    ],
)
def test_what_a_criterion_is(criterion: Criterion, gradients: bool, magnitude_like: bool) -> None:
    assert criterion.needs_gradients is gradients
    assert criterion.is_magnitude_like is magnitude_like


@pytest.mark.parametrize(
    ("dim", "expected"), [(0, [0.0, 15.0]), (1, [-2.0, 17.0]), (-1, [-2.0, 17.0])]
)
def test_the_sum_of_each_channel_keeps_signs(dim: int, expected: list[float]) -> None:
    scores = torch.tensor([[-3.0, 3.0], [1.0, 14.0]])
    assert channel_sum(scores, dim=dim).tolist() == expected


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_norms_of_half_precision_weights_are_computed_in_single(dtype: torch.dtype) -> None:
    weight = torch.full((2, 4096), 16.0, dtype=dtype)
    # 4096 * 16 exceeds what float16 holds, and squares of it what either resolves.
    assert channel_norm(weight, dim=0, norm=1).tolist() == [65536.0, 65536.0]
    assert channel_norm(weight, dim=0, norm=2).tolist() == [1024.0, 1024.0]
    assert channel_norm(weight, dim=0, norm=2).dtype == torch.float32


@pytest.mark.parametrize(
    ("norm", "expected"),
    [
        (1, [7.0, 12.0]),
        (2, [5.0, math.sqrt(74.0)]),
        ("fro", [5.0, math.sqrt(74.0)]),
        (math.inf, [4.0, 7.0]),
        (-math.inf, [3.0, 5.0]),
        (0, [2.0, 2.0]),
        (3.0, [91.0 ** (1 / 3), 468.0 ** (1 / 3)]),
    ],
)
def test_the_norm_of_each_row(norm: Norm, expected: list[float]) -> None:
    weight = torch.tensor([[3.0, -4.0], [5.0, 7.0]], dtype=torch.float64)
    assert channel_norm(weight, dim=0, norm=norm).tolist() == pytest.approx(expected)


@pytest.mark.parametrize("dim", [0, 1, 2, 3, -1, -4])
def test_channels_lie_along_the_dimension_named(dim: int) -> None:
    weight = torch.randn(2, 3, 4, 5, generator=torch.Generator().manual_seed(0))
    rows = np.moveaxis(weight.numpy(), dim, 0).reshape(weight.shape[dim], -1)
    expected = np.abs(rows).sum(axis=1).tolist()
    assert channel_norm(weight, dim=dim, norm=1).tolist() == pytest.approx(expected, rel=1e-5)
    laid_out = weight.to(memory_format=torch.channels_last)
    assert channel_norm(laid_out, dim=dim, norm=1).tolist() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("dim", [0, 1, 2, -1])
def test_the_nuclear_norm_sums_the_singular_values_of_each_channel(dim: int) -> None:
    weight = torch.randn(2, 3, 4, generator=torch.Generator().manual_seed(0))
    channels = np.moveaxis(weight.double().numpy(), dim, 0)
    expected = [float(np.linalg.svd(channel, compute_uv=False).sum()) for channel in channels]
    assert channel_norm(weight, dim=dim, norm="nuc").tolist() == pytest.approx(expected, rel=1e-5)


def test_an_unknown_norm_is_refused() -> None:
    with pytest.raises(
        ValueError, match="expected a number, 'fro' or 'nuc' for the norm, got 'l1'"
    ):
        channel_norm(torch.ones(2, 2), dim=0, norm="l1")


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_draws_of_several_tensors_continue_one_stream(dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(7)
    pieces = [random_scores(count, dtype=dtype, generator=generator) for count in (3, 0, 17, 40)]
    torch_seeded = torch.rand(60, dtype=dtype, generator=torch.Generator().manual_seed(7))
    assert torch.equal(torch.cat(pieces), torch_seeded)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_weights_get_scores_fine_enough_to_have_no_ties(dtype: torch.dtype) -> None:
    scores = random_scores(500, dtype=dtype, generator=torch.Generator().manual_seed(7))
    assert scores.dtype == torch.float32
    assert scores.unique().numel() == 500
