from __future__ import annotations

import math
from fractions import Fraction

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from prunetool.pruning.lamp import lamp_shares
from prunetool.pruning.scores import NanScoresError, Scores

T, F = True, False
INF = math.inf


def lamp_scores(weights: list[int]) -> list[Fraction]:
    """Equation 4 of Lee et al. 2021 (arXiv 2010.07611), word for word, in exact arithmetic.

    Sort the weights by magnitude in ascending order; the score of the u-th is its square over the
    sum of the squares from the u-th on. Zeros at the end of nothing else have the score 0.
    """
    ordered = sorted(abs(w) for w in weights)
    scores = []
    for u in range(len(ordered)):
        matter = sum(w**2 for w in ordered[u:])
        scores.append(Fraction(ordered[u] ** 2, matter) if matter else Fraction(0))
    return scores


def by_the_paper(layers: list[list[int]], k: int) -> list[int]:
    """Rank all scores of all layers and count those of each among the ``k`` lowest."""
    ranked = sorted(
        (score, i, u)
        for i, layer in enumerate(layers)
        for u, score in enumerate(lamp_scores(layer))
    )
    return [sum(i == layer for _, layer, _ in ranked[:k]) for i in range(len(layers))]


def shares(layers: list[list[int]], k: int, dtype: torch.dtype = torch.float32) -> list[int]:
    tensors = [torch.tensor(layer, dtype=dtype) for layer in layers]
    sources = [Scores(f"w{i}", tensor, absolute=True) for i, tensor in enumerate(tensors)]
    return lamp_shares(sources, k, most=[len(layer) for layer in layers])


# Scores by hand, in ascending order of magnitude, and the shares of k = 1, 2, ...
BY_HAND = {
    # 1, 2, 3: 1/14 = .0714, 4/13 = .3077, 9/9 = 1.
    # 1, 1, 1, 1: 1/4, 1/3, 1/2, 1.
    # 10, 1: 1/101 = .0099, 1. In order: c .0099, a .0714, b .25, a .3077, b .3333, b .5, then the
    # ones, the first layer first.
    "three layers": (
        [[1, -2, 3], [1, 1, -1, 1], [-10, 1]],
        [[1 / 14, 4 / 13, 1], [1 / 4, 1 / 3, 1 / 2, 1], [1 / 101, 1]],
        {
            1: [0, 0, 1],
            2: [1, 0, 1],
            3: [1, 1, 1],
            4: [2, 1, 1],
            5: [2, 2, 1],
            6: [2, 3, 1],
            7: [3, 3, 1],
            8: [3, 4, 1],
            9: [3, 4, 2],
        },
    ),
    # The same layer at another scale has the same scores, where global magnitude would empty it.
    # 3, 4, 5, 0: 0/50, 9/50 = .18, 16/41 = .3902, 1, twice; equal scores: the first layer first.
    "scales": (
        [[3, 4, 0, -5], [300, 400, 0, -500]],
        [[0, 9 / 50, 16 / 41, 1], [0, 9 / 50, 16 / 41, 1]],
        {1: [1, 0], 2: [1, 1], 3: [2, 1], 4: [2, 2], 5: [3, 2], 6: [3, 3], 7: [4, 3], 8: [4, 4]},
    ),
    # A layer of zeros has no order to speak of and goes first; one of a single weight goes last.
    # 1, 2, 2: 1/9 = .1111, 4/8 = .5, 1.
    "zeros and one weight": (
        [[7], [0, 0], [2, -1, 2]],
        [[1], [0, 0], [1 / 9, 1 / 2, 1]],
        {1: [0, 1, 0], 2: [0, 2, 0], 3: [0, 2, 1], 4: [0, 2, 2], 5: [1, 2, 2], 6: [1, 2, 3]},
    ),
}


@pytest.mark.parametrize("name", BY_HAND)
def test_scores_by_hand_are_those_of_the_formula(name: str) -> None:
    layers, scores, _ = BY_HAND[name]
    for layer, expected in zip(layers, scores, strict=True):
        assert [float(score) for score in lamp_scores(layer)] == pytest.approx(expected)


@pytest.mark.parametrize("name", BY_HAND)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16, torch.bfloat16])
def test_shares_by_hand(name: str, dtype: torch.dtype) -> None:
    layers, _, expected = BY_HAND[name]
    layers = [[round(w / 100) * 64 if abs(w) >= 100 else w for w in layer] for layer in layers]
    assert {k: shares(layers, k, dtype) for k in expected} == expected


@settings(max_examples=300, deadline=None)
@given(
    data=st.data(),
    layers=st.lists(
        st.lists(st.integers(-9, 9), min_size=1, max_size=12), min_size=1, max_size=5
    ),
)
def test_any_layers_share_as_the_paper_says(data: st.DataObject, layers: list[list[int]]) -> None:
    k = data.draw(st.integers(0, sum(map(len, layers))), label="k")
    assert shares(layers, k) == by_the_paper(layers, k)


def source(values: list[float], taken: list[bool] | None = None) -> Scores:
    return Scores("w", torch.tensor(values), True, None if taken is None else torch.tensor(taken))


def test_what_is_gone_counts_no_more() -> None:
    # Without its 10 the first layer is 1, 1: scores 1/2 and 1; the second 1/5 and 1.
    sources = [source([1.0, 10.0, -1.0], [F, T, F]), source([2.0, 1.0])]
    assert [lamp_shares(sources, k, most=[2, 2]) for k in range(5)] == [
        [0, 0],
        [0, 1],
        [1, 1],
        [2, 1],
        [2, 2],
    ]


def test_what_must_stay_counts_in_its_tensor_but_does_not_go() -> None:
    # The 10 stays: scores 1/102, 1/101 (and 1); the second layer has 1/5 and 1.
    staying: list[Tensor | None] = [torch.tensor([F, T, F]), None]
    sources = [source([1.0, 10.0, -1.0], [F, T, F]), source([2.0, 1.0])]
    found = [lamp_shares(sources, k, most=[2, 2], staying=staying) for k in range(5)]
    assert found == [[0, 0], [1, 0], [2, 0], [2, 1], [2, 2]]


def test_bounds_hold_and_the_rest_gives_more() -> None:
    layers = [[1, 1, 1, 100], [1, 2, 3, 4]]
    sources = [source([float(w) for w in layer]) for layer in layers]
    # 1/10003, 1/10002, 1/10001 all come before the 1/30 of the second.
    assert lamp_shares(sources, 3, most=[4, 4]) == [3, 0]
    assert lamp_shares(sources, 3, most=[1, 4]) == [1, 2]
    assert lamp_shares(sources, 3, most=[0, 4]) == [0, 3]
    assert lamp_shares(sources, 4, most=[2, 2]) == [2, 2]


def test_infinite_scores_go_last() -> None:
    # What had no gradient at all scores +inf everywhere; a diverged weight scores inf too.
    sources = [source([INF, INF]), source([1.0, 2.0])]
    assert [lamp_shares(sources, k, most=[2, 2]) for k in (1, 2)] == [[0, 1], [1, 1]]
    assert lamp_shares([source([1.0, INF, 2.0]), source([1.0, 1.0])], 2, most=[3, 2]) == [2, 0]


def test_nan_is_refused_by_name() -> None:
    with pytest.raises(NanScoresError, match="^w: 1 of 2 scores are NaN"):
        lamp_shares([source([1.0, math.nan])], 0, most=[2])
