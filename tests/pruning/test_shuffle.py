from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from prunetool.pruning.patterns import Channels, Elements, NOfM, Pattern
from prunetool.pruning.shuffle import shuffled

PATTERNS: list[Pattern] = [
    Elements(),
    Channels(0),
    Channels(1),
    Channels(-1),
    NOfM(2, 4),
    NOfM(1, 8),
]


def shuffle(pruned: Tensor, pattern: Pattern, *, dim: int = 1, seed: int = 0) -> Tensor:
    return shuffled(pruned, pattern, input_dim=dim, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("pattern", PATTERNS, ids=str)
@settings(max_examples=60, deadline=None)
@given(
    rows=st.integers(1, 4),
    share=st.floats(0, 1),
    dim=st.sampled_from([0, 1]),
    four=st.booleans(),
    seed=st.integers(0, 2**32),
)
def test_as_much_is_gone_as_before_and_the_pattern_holds(
    pattern: Pattern, rows: int, share: float, dim: int, four: bool, seed: int
) -> None:
    shape = [rows, 8] if dim == 1 else [8, rows]
    shape = [*shape, 2, 3] if four else shape
    pruned = torch.rand(shape, generator=torch.Generator().manual_seed(seed)) < share
    if four:
        pruned = pruned.to(memory_format=torch.channels_last)
    before = pruned.clone()
    moved = shuffle(pruned, pattern, dim=dim, seed=seed)
    assert torch.equal(pruned, before)
    assert moved.shape == pruned.shape
    assert moved.dtype == torch.bool
    assert int(moved.sum()) == int(pruned.sum())
    if isinstance(pattern, NOfM):
        counts = [
            np.moveaxis(mask.numpy(), dim, -1).reshape(-1, pattern.m).sum(1)
            for mask in (pruned, moved)
        ]
        assert np.array_equal(*counts)
    if isinstance(pattern, Channels):
        rows_of = [
            sorted(
                np.moveaxis(mask.numpy(), pattern.dim, 0).reshape(shape[pattern.dim], -1).tolist()
            )
            for mask in (pruned, moved)
        ]
        assert rows_of[0] == rows_of[1]


def test_whole_channels_stay_whole() -> None:
    pruned = torch.zeros(6, 4, dtype=torch.bool)
    pruned[:2] = True
    moved = shuffle(pruned, Channels(0), seed=1)
    assert moved.any(1).tolist() == moved.all(1).tolist()
    assert int(moved.all(1).sum()) == 2


@pytest.mark.parametrize(
    ("pattern", "dim", "shape"),
    [
        (Elements(), 1, (2, 2)),
        (Channels(0), 1, (4, 1)),
        (NOfM(2, 4), 1, (1, 4)),
        (NOfM(2, 4), 0, (4, 1)),
    ],
    ids=str,
)
def test_every_placement_comes_up_about_equally_often(
    pattern: Pattern, dim: int, shape: tuple[int, int]
) -> None:
    pruned = torch.tensor([True, True, False, False]).view(shape)
    generator = torch.Generator().manual_seed(0)
    draws = [
        tuple(
            shuffled(pruned, pattern, input_dim=dim, generator=generator)
            .view(-1)
            .nonzero()
            .view(-1)
            .tolist()
        )
        for _ in range(1200)
    ]
    counts = {places: draws.count(places) for places in combinations(range(4), 2)}
    assert sum(counts.values()) == 1200
    # 200 each, give or take five standard deviations of 12.9.
    assert all(135 < count < 265 for count in counts.values()), counts


def test_the_generator_decides() -> None:
    pruned = torch.rand(8, 8, generator=torch.Generator().manual_seed(0)) < 0.5
    for pattern in PATTERNS:
        assert torch.equal(shuffle(pruned, pattern, seed=3), shuffle(pruned, pattern, seed=3))
    assert not torch.equal(shuffle(pruned, Elements(), seed=3), shuffle(pruned, Elements(), seed=4))
