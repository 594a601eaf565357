from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from prunetool.pruning.groups import barred

T, F = True, False
INF = math.inf


def by_hand(
    scores: Tensor, pruned: Tensor, *, n: int, m: int, dim: int, absolute: bool
) -> list[object]:
    """Go through the groups one by one and sort each: plain Python."""
    values, gone = scores.double().numpy(), pruned.numpy()
    stay = np.zeros(values.shape, dtype=bool)
    sizes = list(values.shape)
    starts = range(0, sizes[dim], m)
    others = [range(size) for i, size in enumerate(sizes) if i != dim]
    for start, *rest in product(starts, *others):
        places = []
        for j in range(start, start + m):
            place = list(rest)
            place.insert(dim, j)
            places.append(tuple(place))

        def order(place: tuple[int, ...]) -> tuple[bool, float]:
            value = abs(values[place]) if absolute else values[place]
            return (not gone[place], 0.0 if gone[place] else float(value))

        for place in sorted(places, key=order)[m - n :]:
            stay[place] = True
    return stay.tolist()


def test_the_lowest_two_of_four_may_go() -> None:
    scores = torch.tensor([[4.0, 1.0, 3.0, 2.0, 0.0, 0.0, 0.0, 5.0]])
    stay = barred(scores, torch.zeros(1, 8, dtype=torch.bool), n=2, m=4, dim=1)
    # Of the three equal ones the first two may go.
    assert stay.tolist() == [[T, F, T, F, F, F, T, T]]


def test_nothing_gone_may_be_said_without_a_mask() -> None:
    scores = torch.tensor([[INF, -INF, 0.0, INF], [-INF, -INF, 2.0, 2.0]])
    none = torch.zeros(2, 4, dtype=torch.bool)
    stay = barred(scores, None, n=2, m=4, dim=1)
    assert stay.tolist() == barred(scores, none, n=2, m=4, dim=1).tolist()
    assert stay.tolist() == [[T, F, F, T], [F, F, T, T]]
    assert scores.tolist() == [[INF, -INF, 0.0, INF], [-INF, -INF, 2.0, 2.0]]


def test_what_is_gone_ranks_first_whatever_its_score() -> None:
    scores = torch.tensor([[9.0, 1.0, 3.0, 2.0, math.nan, -1.0, INF, -INF]])
    pruned = torch.tensor([[T, F, F, F, T, F, F, T]])
    # One more may go of the first group, none of the second.
    assert barred(scores, pruned, n=2, m=4, dim=1).tolist() == [[F, F, T, T, F, T, T, F]]


def test_infinite_scores_that_compete_are_ordered_too() -> None:
    scores = torch.tensor([[INF, -INF, 0.0, INF], [-INF, -INF, -INF, -INF]])
    stay = barred(scores, torch.zeros(2, 4, dtype=torch.bool), n=2, m=4, dim=1)
    assert stay.tolist() == [[T, F, F, T], [F, F, T, T]]


def test_groups_of_a_transposed_convolution_lie_along_dimension_0() -> None:
    scores = torch.tensor([[4.0, 1.0], [3.0, 2.0], [2.0, 3.0], [1.0, 4.0]])
    stay = barred(scores, torch.zeros(4, 2, dtype=torch.bool), n=1, m=4, dim=0)
    assert stay.tolist() == [[T, F], [F, F], [F, F], [F, T]]


def test_absolute_values_are_ranked_where_asked() -> None:
    scores = torch.tensor([[-4.0, 1.0, -3.0, 2.0]])
    none = torch.zeros(1, 4, dtype=torch.bool)
    assert barred(scores, none, n=2, m=4, dim=1, absolute=True).tolist() == [[T, F, T, F]]
    assert barred(scores, none, n=2, m=4, dim=1).tolist() == [[F, T, F, T]]


@pytest.mark.parametrize("dim", [0, 1])
@pytest.mark.parametrize("m", [2, 4, 8, 16, 32])
@settings(max_examples=40, deadline=None)
@given(
    data=st.data(),
    dimensions=st.integers(2, 4),
    groups=st.integers(1, 2),
    levels=st.sampled_from([0, 1, 2, 1000]),
    gone=st.sampled_from([0.0, 0.3, 0.9]),
    dtype=st.sampled_from([torch.float32, torch.float64, torch.float16, torch.bfloat16]),
    channels_last=st.booleans(),
    absolute=st.booleans(),
    seed=st.integers(0, 2**32),
)
def test_every_group_is_ranked_as_by_hand(
    m: int,
    dim: int,
    data: st.DataObject,
    dimensions: int,
    groups: int,
    levels: int,
    gone: float,
    dtype: torch.dtype,
    channels_last: bool,
    absolute: bool,
    seed: int,
) -> None:
    n = data.draw(st.integers(1, m - 1), label="n")
    shape = [data.draw(st.integers(1, 3)) for _ in range(dimensions)]
    shape[dim] = groups * m
    generator = torch.Generator().manual_seed(seed)
    scores = torch.randint(-levels, levels + 1, shape, generator=generator).to(dtype)
    pruned = torch.rand(shape, generator=generator) < gone
    if channels_last and dimensions == 4:
        scores, pruned = (x.to(memory_format=torch.channels_last) for x in (scores, pruned))
    stay = barred(scores, pruned, n=n, m=m, dim=dim, absolute=absolute)
    assert stay.is_contiguous()
    assert stay.tolist() == by_hand(scores, pruned, n=n, m=m, dim=dim, absolute=absolute)


@pytest.mark.parametrize(
    ("shape", "dim"), [((1200, 520), 1), ((520, 1200), 0), ((24, 16, 60, 60), 1)]
)
def test_a_tensor_of_several_pieces_is_ranked_as_a_small_one(
    shape: tuple[int, ...], dim: int
) -> None:
    generator = torch.Generator().manual_seed(0)
    scores = torch.randint(-3, 4, shape, generator=generator).float()
    pruned = torch.rand(shape, generator=generator) < 0.2
    groups = np.moveaxis(scores.abs().numpy(), dim, -1)
    held = np.moveaxis(pruned.numpy(), dim, -1)
    keys = np.where(held, -1.0, groups).reshape(-1, 4)
    order = np.argsort(keys, axis=1, kind="stable")
    expected = np.zeros(keys.shape, dtype=bool)
    np.put_along_axis(expected, order[:, 2:], True, axis=1)
    stay = barred(scores, pruned, n=2, m=4, dim=dim, absolute=True)
    assert np.array_equal(np.moveaxis(stay.numpy(), dim, -1).reshape(-1, 4), expected)


@pytest.mark.parametrize("shape", [(0, 4), (3, 0)])
def test_an_empty_tensor_has_no_groups(shape: tuple[int, int]) -> None:
    none = torch.zeros(shape, dtype=torch.bool)
    assert barred(torch.zeros(shape), none, n=2, m=4, dim=1).shape == shape
