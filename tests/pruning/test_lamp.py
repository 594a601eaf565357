from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
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
    layers=st.lists(st.lists(st.integers(-9, 9), min_size=1, max_size=12), min_size=1, max_size=5),
)
def test_any_layers_share_as_the_paper_says(data: st.DataObject, layers: list[list[int]]) -> None:
    k = data.draw(st.integers(0, sum(map(len, layers))), label="k")
    assert shares(layers, k) == by_the_paper(layers, k)


LARGE = {
    "normal": lambda g, n: torch.randn(n, generator=g),
    "mostly zeros": lambda g, n: (torch.randn(n, generator=g) - 1).relu(),
    "constant": lambda g, n: torch.full((n,), 0.25),
    "tiny and huge": lambda g, n: torch.randn(n, generator=g).mul(12).exp(),
    "few values": lambda g, n: torch.randint(-3, 4, (n,), generator=g).float(),
}


@pytest.mark.parametrize("kinds", [*([kind] * 3 for kind in LARGE), list(LARGE)], ids=str)
def test_large_layers_share_as_a_literal_ranking_in_double_precision(kinds: list[str]) -> None:
    generator = torch.Generator().manual_seed(1)
    sizes = [40_000, 1_000, 9_000, 1, 300]
    layers = [LARGE[kind](generator, n) for kind, n in zip(kinds, sizes, strict=False)]
    scores = []
    for layer in layers:
        energy = np.sort(np.abs(layer.double().numpy())) ** 2
        matter = np.cumsum(energy[::-1])[::-1]
        scores.append(np.divide(energy, matter, out=np.zeros_like(energy), where=matter > 0))
    owner = np.repeat(np.arange(len(layers)), [layer.numel() for layer in layers])
    ranked = owner[np.argsort(np.concatenate(scores), kind="stable")]
    made = [Scores(f"w{i}", layer, absolute=True) for i, layer in enumerate(layers)]
    most = [layer.numel() for layer in layers]
    for share in (0.001, 0.1, 0.5, 0.9, 0.99, 0.9999):
        k = round(share * len(ranked))
        found = lamp_shares(made, k, most=most)
        assert sum(found) == k
        # Scores that differ by a rounding error only may change places.
        expected = np.bincount(ranked[:k], minlength=len(layers))
        assert np.abs(np.array(found) - expected).max() <= 2, f"{found} {expected}"


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


@settings(max_examples=300, deadline=None)
@given(data=st.data(), sizes=st.lists(st.integers(1, 10), min_size=1, max_size=4))
def test_gone_staying_and_bounded_units_in_any_layers(
    data: st.DataObject, sizes: list[int]
) -> None:
    state = st.sampled_from(["free", "free", "gone", "staying"])
    layers, states, most, ranked = [], [], [], []
    for i, size in enumerate(sizes):
        weights = data.draw(st.lists(st.integers(-9, 9), min_size=size, max_size=size))
        held = data.draw(st.lists(state, min_size=size, max_size=size))
        # Of equal weights, those that come first have the lower scores.
        order = sorted(
            (u for u in range(size) if held[u] != "gone"), key=lambda u: (abs(weights[u]), u)
        )
        scores = lamp_scores([weights[u] for u in order])
        free = [score for score, u in zip(scores, order, strict=True) if held[u] == "free"]
        most.append(data.draw(st.integers(0, len(free)), label="most"))
        ranked += [(score, i) for score in free]
        layers.append(weights)
        states.append(held)
    k = data.draw(st.integers(0, sum(most)), label="k")
    expected = [0] * len(sizes)
    for _, i in sorted(ranked):  # one after the other, whoever is at its bound passes
        if sum(expected) < k and expected[i] < most[i]:
            expected[i] += 1
    made = [
        source([float(w) for w in weights], [h != "free" for h in held])
        for weights, held in zip(layers, states, strict=True)
    ]
    staying: list[Tensor | None] = [torch.tensor([h == "staying" for h in held]) for held in states]
    assert lamp_shares(made, k, most=most, staying=staying) == expected


def test_infinite_scores_go_last() -> None:
    # What had no gradient at all scores +inf everywhere; a diverged weight scores inf too.
    sources = [source([INF, INF]), source([1.0, 2.0])]
    assert [lamp_shares(sources, k, most=[2, 2]) for k in (1, 2)] == [[0, 1], [1, 1]]
    assert lamp_shares([source([1.0, INF, 2.0]), source([1.0, 1.0])], 2, most=[3, 2]) == [2, 0]


def test_nan_is_refused_by_name() -> None:
    with pytest.raises(NanScoresError, match=r"^w: 1 of 2 scores are NaN"):
        lamp_shares([source([1.0, math.nan])], 0, most=[2])
