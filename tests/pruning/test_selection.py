from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from prunetool.pruning.selection import NanScoresError, Scores, kth_lowest, lowest

INF = math.inf


def sources(*tensors: Tensor) -> list[Scores]:
    return [
        Scores(f"layer{i}.weight", tensor.numel(), lambda tensor=tensor: tensor)  # type: ignore[misc]
        for i, tensor in enumerate(tensors)
    ]


def by_hand(values: Sequence[float], k: int) -> list[bool]:
    """Python's sort is stable: among equal values the lowest position comes first."""
    chosen = set(sorted(range(len(values)), key=lambda i: values[i])[:k])
    return [i in chosen for i in range(len(values))]


def chosen(tensors: Sequence[Tensor], k: int, **options: int) -> list[list[bool]]:
    return [marked.tolist() for marked in lowest(sources(*tensors), k, **options)]


def test_the_k_lowest_are_chosen() -> None:
    tensors = [torch.tensor([0.5, 0.1, 0.9]), torch.tensor([0.2, 0.8])]
    assert chosen(tensors, 3) == [[True, True, False], [True, False]]


def test_among_equals_the_lowest_position_of_the_first_tensor_goes_first() -> None:
    tensors = [torch.tensor([3.0, 1.0, 1.0]), torch.tensor([1.0, 0.0, 1.0])]
    assert chosen(tensors, 1) == [[False, False, False], [False, True, False]]
    assert chosen(tensors, 2) == [[False, True, False], [False, True, False]]
    assert chosen(tensors, 3) == [[False, True, True], [False, True, False]]
    assert chosen(tensors, 4) == [[False, True, True], [True, True, False]]
    assert chosen(tensors, 5) == [[False, True, True], [True, True, True]]


@pytest.mark.parametrize("k", range(7))
@pytest.mark.parametrize(
    "values",
    [
        [2.0] * 6,
        [0.0] * 6,
        [0.0, -0.0, 0.0, -0.0, 0.0, -0.0],
        [1.0, 2.0, 1.0, 2.0, 1.0, 2.0],
        [INF, 1.0, INF, -INF, 0.0, -INF],
        [INF] * 6,
        [-INF] * 6,
    ],
    ids=["equal", "zeros", "signed zeros", "half equal", "infinities", "inf", "-inf"],
)
def test_ties_and_infinities_leave_exactly_k(values: list[float], k: int) -> None:
    tensors = [torch.tensor(values[:4]), torch.tensor(values[4:])]
    whole = by_hand(values, k)
    assert chosen(tensors, k) == [whole[:4], whole[4:]]


def test_empty_sources_are_allowed() -> None:
    assert chosen([], 0) == []
    tensors = [torch.tensor([]), torch.tensor([2.0, 1.0]), torch.tensor([])]
    assert chosen(tensors, 0) == [[], [False, False], []]
    assert chosen(tensors, 1) == [[], [False, True], []]


@settings(max_examples=100, deadline=None)
@given(data=st.data(), values=st.lists(st.floats(allow_nan=False, width=32), max_size=60))
def test_any_floats_in_any_split_match_a_stable_sort(
    data: st.DataObject, values: list[float]
) -> None:
    k = data.draw(st.integers(0, len(values)), label="k")
    cuts = data.draw(st.lists(st.integers(0, len(values)), max_size=4).map(sorted), label="cuts")
    sample = data.draw(st.integers(1, 50), label="sample")
    dtype = data.draw(st.sampled_from([torch.float32, torch.float64]), label="dtype")
    pieces = [
        torch.tensor(values[start:end], dtype=dtype)
        for start, end in zip([0, *cuts], [*cuts, len(values)], strict=True)
    ]
    marked = [flag for piece in chosen(pieces, k, sample=sample) for flag in piece]
    assert marked == by_hand(values, k)


@settings(max_examples=50, deadline=None)
@given(
    values=st.lists(st.sampled_from([-INF, -1.0, 0.0, 0.5, 1.0, INF]), min_size=1, max_size=40),
    share=st.floats(0, 1),
    sample=st.integers(1, 50),
)
def test_few_distinct_values_match_a_stable_sort(
    values: list[float], share: float, sample: int
) -> None:
    k = round(share * len(values))
    tensors = [torch.tensor(values[0::2]), torch.tensor(values[1::2])]
    joined = values[0::2] + values[1::2]
    marked = [flag for piece in chosen(tensors, k, sample=sample) for flag in piece]
    assert marked == by_hand(joined, k)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_scores_are_compared_exactly(dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(3)
    scores = torch.rand(500, generator=generator).to(dtype)  # many equal values
    for k in (0, 1, 77, 250, 499, 500):
        assert chosen([scores], k, sample=20) == [by_hand(scores.tolist(), k)]


def test_double_precision_scores_are_not_rounded() -> None:
    scores = torch.tensor([1.0 + 2e-16 * 2, 1.0 + 2e-16, 1.0], dtype=torch.float64)
    assert chosen([scores], 1) == [[False, False, True]]
    assert chosen([scores], 2) == [[False, True, True]]


@pytest.mark.parametrize("sizes", [[2000], [400] * 5, [700, 1, 0, 1299]], ids=str)
def test_the_size_of_the_sample_and_the_split_never_change_the_result(sizes: list[int]) -> None:
    generator = torch.Generator().manual_seed(0)
    values = torch.randn(2000, generator=generator)
    values[500:1500] = values[500:1500].round(decimals=1)
    parts = values.split(sizes)
    for k in (1, 2, 999, 1000, 1998, 2000):
        expected = by_hand(values.tolist(), k)
        for sample in (1, 2, 3, 5, 8, 13, 21, 34, 50, 5000):
            marked = [flag for piece in chosen(parts, k, sample=sample) for flag in piece]
            assert marked == expected, f"k={k}, sample={sample}"


@pytest.mark.parametrize("order", ["rising", "falling", "shuffled"])
def test_a_misleading_sample_only_costs_rounds(order: str) -> None:
    # A sample of one is the first score of its window, on whichever side the value lies: the
    # bracket misses below and above, time and again.
    ranks = torch.arange(300)
    if order == "falling":
        ranks = ranks.flip(0)
    if order == "shuffled":
        ranks = torch.randperm(300, generator=torch.Generator().manual_seed(0))
    scores = sources(ranks.float())
    for sample in range(1, 51):
        wanted = (1, 2, 75, 149, 150, 222, 299, 300)
        found = [kth_lowest(scores, k, sample=sample) for k in wanted]
        assert found == [k - 1.0 for k in wanted], f"sample={sample}"


@pytest.mark.parametrize("k", [-1, 4])
def test_k_outside_its_interval_is_refused(k: int) -> None:
    with pytest.raises(ValueError, match=f"cannot choose {k} of 3 scores"):
        lowest(sources(torch.zeros(3)), k)


@pytest.mark.parametrize("k", [0, 2, 5])
def test_the_first_source_with_a_nan_is_named(k: int) -> None:
    good, bad = torch.zeros(2), torch.tensor([1.0, math.nan, math.nan])
    with pytest.raises(NanScoresError, match=r"^layer1\.weight: 2 of 3 scores are NaN"):
        lowest(sources(good, bad, bad), k)
