from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from prunetool.pruning.selection import NanScoresError, Scores, lowest

INF = math.inf
T, F = True, False


def sources(*tensors: Tensor) -> list[Scores]:
    return [Scores(f"layer{i}.weight", tensor) for i, tensor in enumerate(tensors)]


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
    # edges miss below and above, time and again.
    ranks = torch.arange(300)
    if order == "falling":
        ranks = ranks.flip(0)
    if order == "shuffled":
        ranks = torch.randperm(300, generator=torch.Generator().manual_seed(0))
    for sample in range(1, 51):
        for k in (1, 2, 75, 149, 150, 222, 299, 300):
            (marked,) = lowest(sources(ranks.float()), k, sample=sample)
            assert marked.tolist() == (ranks < k).tolist(), f"k={k}, sample={sample}"


@pytest.mark.parametrize("k", [-1, 4])
def test_k_outside_its_interval_is_refused(k: int) -> None:
    with pytest.raises(ValueError, match=f"cannot choose {k} of 3 scores"):
        lowest(sources(torch.zeros(3)), k)


@pytest.mark.parametrize("k", [0, 2, 5])
def test_the_first_source_with_a_nan_is_named(k: int) -> None:
    good, bad = torch.zeros(2), torch.tensor([1.0, math.nan, math.nan])
    with pytest.raises(NanScoresError, match=r"^layer1\.weight: 2 of 3 scores are NaN"):
        lowest(sources(good, bad, bad), k)


class TestTaken:
    """What is gone does not compete, and is marked beside what is chosen."""

    @pytest.mark.parametrize(
        ("k", "expected"),
        [
            (0, [T, F, F, T, F]),
            (1, [T, F, F, T, T]),
            (2, [T, T, F, T, T]),
            (3, [T, T, T, T, T]),
        ],
    )
    def test_by_hand(self, k: int, expected: list[bool]) -> None:
        weight = torch.tensor([0.0, 2.0, 3.0, 9.0, 1.0])
        scores = Scores("w", weight, taken=torch.tensor([T, F, F, T, F]))
        assert lowest([scores], k)[0].tolist() == expected

    @pytest.mark.parametrize("k", [-1, 4])
    def test_no_more_can_be_chosen_than_compete(self, k: int) -> None:
        scores = Scores("w", torch.zeros(5), taken=torch.tensor([T, F, F, T, F]))
        with pytest.raises(ValueError, match=f"cannot choose {k} of 3 scores"):
            lowest([scores], k)

    @pytest.mark.parametrize("k", [0, 1, 2, 3])
    @pytest.mark.parametrize("sample", [1, 50])
    def test_what_is_gone_may_be_anything(self, k: int, sample: int) -> None:
        weight = torch.tensor([math.nan, 2.0, 1.0, -INF, 3.0, INF])
        scores = Scores("w", weight, taken=torch.tensor([T, F, F, T, F, T]))
        expected = [T, k >= 2, k >= 1, T, k >= 3, T]
        assert lowest([scores], k, sample=sample)[0].tolist() == expected

    def test_a_nan_that_competes_is_counted_among_those_that_do(self) -> None:
        weight = torch.tensor([math.nan, math.nan, 1.0])
        scores = Scores("w", weight, taken=torch.tensor([T, F, F]))
        with pytest.raises(NanScoresError, match=r"^w: 1 of 2 scores are NaN"):
            lowest([scores], 1)

    def test_all_taken(self) -> None:
        scores = Scores("w", torch.full((3,), math.nan), taken=torch.tensor([T, T, T]))
        assert lowest([scores], 0)[0].tolist() == [T, T, T]
        free = Scores("v", torch.tensor([1.0, 0.0]))
        assert [m.tolist() for m in lowest([scores, free], 1)] == [[T, T, T], [F, T]]


def independent(
    tensors: Sequence[Tensor], taken: Sequence[Tensor | None], absolute: bool, k: int
) -> list[list[bool]]:
    """Join in double precision, and sort stably what competes: numpy and nothing of ours."""
    values = np.concatenate([t.double().numpy().reshape(-1) for t in tensors])
    values = np.abs(values) if absolute else values
    gone = np.concatenate(
        [
            np.zeros(t.numel(), dtype=bool) if g is None else g.numpy().reshape(-1)
            for t, g in zip(tensors, taken, strict=True)
        ]
    )
    free = np.flatnonzero(~gone)
    gone[free[np.argsort(values[free], kind="stable")[:k]]] = True
    cuts = np.cumsum([t.numel() for t in tensors])[:-1]
    return [part.tolist() for part in np.split(gone, cuts)]


FLOATS = [torch.float32, torch.float64, torch.float16, torch.bfloat16]
LAYOUTS = ["plain", "channels_last", "transposed", "strided", "expanded"]


def laid_out(values: Tensor, layout: str) -> Tensor:
    """Give a tensor of an awkward layout that is made of ``values`` of four dimensions."""
    match layout:
        case "channels_last":
            return values.to(memory_format=torch.channels_last)
        case "transposed":
            return values.transpose(0, 3)
        case "strided":
            return values.repeat_interleave(2, dim=3)[..., ::2]
        case "expanded":
            return values[:, :1].expand(values.shape)
    return values


@settings(max_examples=300, deadline=None)
@given(data=st.data(), absolute=st.booleans(), sample=st.integers(1, 60))
def test_any_tensors_in_any_layout_and_dtype_match_a_stable_sort(
    data: st.DataObject, absolute: bool, sample: int
) -> None:
    generator = torch.Generator().manual_seed(data.draw(st.integers(0, 2**32), label="seed"))
    tensors, taken = [], []
    for _ in range(data.draw(st.integers(1, 4), label="tensors")):
        # Long enough for a sample of a few to find edges, short enough to miss with them.
        shape = data.draw(st.lists(st.integers(0, 7), min_size=4, max_size=4), label="shape")
        levels = data.draw(st.sampled_from([1, 3, 1000]), label="levels")
        values = torch.randint(-levels, levels + 1, shape, generator=generator) / 7
        values = values.where(torch.rand(shape, generator=generator) > 0.1, INF)
        values = values.where(torch.rand(shape, generator=generator) > 0.1, -INF)
        values = values.to(data.draw(st.sampled_from(FLOATS), label="dtype"))
        tensors.append(laid_out(values, data.draw(st.sampled_from(LAYOUTS), label="layout")))
        gone = torch.rand(tensors[-1].shape, generator=generator) < 0.3
        taken.append(gone if data.draw(st.booleans(), label="some are taken") else None)
    made = [
        Scores(f"w{i}", tensor, absolute, gone)
        for i, (tensor, gone) in enumerate(zip(tensors, taken, strict=True))
    ]
    k = data.draw(st.integers(0, sum(scores.free for scores in made)), label="k")
    marked = [part.tolist() for part in lowest(made, k, sample=sample)]
    assert marked == independent(tensors, taken, absolute, k)


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@pytest.mark.parametrize("kind", ["continuous", "few values", "constant", "mostly zeros"])
def test_tensors_of_several_pieces(dtype: torch.dtype, kind: str) -> None:
    generator = torch.Generator().manual_seed(2)
    sizes = [(2**19 + 5,), (600, 900), (1,), (2, 3, 300, 301)]
    tensors = []
    for size in sizes:
        match kind:
            case "continuous":
                values = torch.randn(size, generator=generator)
            case "few values":
                values = torch.randint(-2, 3, size, generator=generator).float()
            case "constant":
                values = torch.full(size, -1.5)
            case _:
                values = torch.randn(size, generator=generator).relu() - 0.5
                values = values.clamp_(min=0)
        tensors.append(values.to(dtype))
    tensors[1] = tensors[1].t()
    tensors[3] = tensors[3].to(memory_format=torch.channels_last)
    taken = [None, torch.rand(900, 600, generator=generator) < 0.5, None, None]
    made = [Scores("w", t, True, g) for t, g in zip(tensors, taken, strict=True)]
    free = sum(scores.free for scores in made)
    for k in (1, free // 10, free // 2, free - 1, free):
        expected = independent(tensors, taken, True, k)
        for sample in (None, 1000):
            marked = lowest(made, k, sample=sample)
            assert [m.tolist() for m in marked] == expected, f"k={k}, sample={sample}"


@pytest.mark.parametrize("doubles_first", [True, False])
def test_single_and_double_precision_compete_by_their_exact_values(doubles_first: bool) -> None:
    # A few singles that follow one another (1.5e-8 apart), and doubles all around them.
    generator = torch.Generator().manual_seed(0)
    single = (0.1 + torch.randint(0, 8, (3000,), generator=generator) * 1e-8).float()
    double = 0.1 + torch.rand(3000, generator=generator, dtype=torch.float64) * 8e-8
    tensors = [double, single] if doubles_first else [single, double]
    for k in range(1, 6000, 61):
        expected = independent(tensors, [None, None], False, k)
        for sample in (20, 50, 200):
            assert chosen(tensors, k, sample=sample) == expected, f"k={k}, sample={sample}"


@pytest.fixture
def three_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("three_threads")
class TestSeveralThreads:
    """Tensors are then looked at several at a time."""

    def test_the_result_is_that_of_one(self) -> None:
        generator = torch.Generator().manual_seed(4)
        tensors = [torch.randn(size, generator=generator) for size in (200_000, 7, 150_000, 90_000)]
        tensors.append(tensors[0].round(decimals=1))
        for k in (1, 100_000, 300_000, 640_007):
            expected = independent(tensors, [None] * 5, True, k)
            marked = lowest([Scores("w", t, True) for t in tensors], k)
            assert [m.tolist() for m in marked] == expected

    def test_the_first_source_with_a_nan_is_named(self) -> None:
        tensors = [torch.zeros(200_000) for _ in range(4)]
        tensors[1][5] = tensors[3][0] = math.nan
        with pytest.raises(NanScoresError, match=r"^layer1\.weight: 1 of 200000 scores are NaN"):
            lowest(sources(*tensors), 1000)


def test_overflowing_sums_of_finite_scores_are_no_nan() -> None:
    # Their sum is inf, and that of both signs inf - inf.
    scores = torch.tensor([3e38, 3e38, -3e38, -3e38, -3e38, 3e38])
    assert chosen([scores], 2) == [[F, F, T, T, F, F]]


def test_the_marks_are_new_tensors() -> None:
    taken = torch.tensor([T, F, F])
    marked = lowest([Scores("w", torch.tensor([3.0, 2.0, 1.0]), taken=taken)], 2)
    assert marked[0].tolist() == [T, T, T]
    assert taken.tolist() == [T, F, F]
