"""Event by event, the masks are those of ``torch.nn.utils.prune``."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from both_sides import (
    L1,
    RANDOM,
    UNSTRUCTURED,
    Case,
    OurSide,
    TorchSide,
    distinct,
    distinct_channels,
    laid_out,
    ln,
    random_channels,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from prunetool.pruning.allocation import Allocation
from prunetool.pruning.criteria import Criterion, Norm


def compare(
    case: Case,
    draw: Callable[[], list[Tensor]],
    amounts: list[tuple[bool, float]],
    seed: int,
    channels_last: bool,
) -> None:
    """Train (draw new weights) and prune on both sides; the masks agree after every event."""
    first = laid_out(draw(), channels_last)
    theirs, ours = TorchSide(first, seed), OurSide(first, seed)
    for as_number, share in amounts:
        remaining = ours.remaining(case.ours)
        room = sum(remaining) if case.ours.allocation is Allocation.GLOBAL else min(remaining)
        amount = int(share * room) if as_number else share
        expected = theirs.event(case.torchs(amount))
        actual = ours.event(case.ours, amount)
        for mask, reference, weight in zip(actual, expected, first, strict=True):
            assert mask.tolist() == reference.tolist(), f"amount={amount}"
            for layout in (torch.contiguous_format, torch.channels_last):
                if weight.dim() == 4 or layout is torch.contiguous_format:
                    as_weight = weight.is_contiguous(memory_format=layout)
                    assert mask.is_contiguous(memory_format=layout) is as_weight
        trained = draw()
        theirs.train(trained)
        ours.train(trained)


AMOUNTS = st.lists(
    st.tuples(st.booleans(), st.floats(0, 1) | st.sampled_from([0.0, 0.5, 1.0])),
    min_size=1,
    max_size=4,
)
SEEDS = st.integers(0, 2**32)
DTYPES = st.sampled_from([torch.float32, torch.float64])


@pytest.mark.parametrize("name", UNSTRUCTURED)
@settings(max_examples=150, deadline=None)
@given(
    shapes=st.lists(st.lists(st.integers(1, 5), min_size=1, max_size=4), min_size=1, max_size=3),
    amounts=AMOUNTS,
    seed=SEEDS,
    dtype=DTYPES,
    channels_last=st.booleans(),
)
def test_unstructured(
    name: str,
    shapes: list[list[int]],
    amounts: list[tuple[bool, float]],
    seed: int,
    dtype: torch.dtype,
    channels_last: bool,
) -> None:
    generator = torch.Generator().manual_seed(seed)
    compare(
        UNSTRUCTURED[name],
        lambda: distinct(shapes, generator, dtype),
        amounts,
        seed,
        channels_last,
    )


@pytest.mark.parametrize("criterion", [L1, RANDOM])
@settings(max_examples=150, deadline=None)
@given(
    data=st.data(),
    dimensions=st.integers(2, 4),
    norm=st.sampled_from([1, 2, 3, 1.5, math.inf, "fro"]),
    amounts=AMOUNTS,
    seed=SEEDS,
    dtype=DTYPES,
    channels_last=st.booleans(),
)
def test_structured(
    criterion: Criterion,
    data: st.DataObject,
    dimensions: int,
    norm: Norm,
    amounts: list[tuple[bool, float]],
    seed: int,
    dtype: torch.dtype,
    channels_last: bool,
) -> None:
    shape = st.lists(st.integers(1, 6), min_size=dimensions, max_size=dimensions)
    shapes = data.draw(st.lists(shape, min_size=1, max_size=3), label="shapes")
    dim = data.draw(st.integers(-dimensions, dimensions - 1), label="dim")
    generator = torch.Generator().manual_seed(seed)
    compare(
        ln(dim, norm) if criterion is L1 else random_channels(dim),
        lambda: distinct_channels(shapes, dim, generator, dtype),
        amounts,
        seed,
        channels_last,
    )


@pytest.mark.parametrize("dim", [0, 1, 2])
def test_the_nuclear_norm(dim: int) -> None:
    generator = torch.Generator().manual_seed(1)
    amounts = [(False, 0.4), (True, 0.5), (False, 0.5)]
    compare(ln(dim, "nuc"), lambda: [torch.randn(4, 5, 6, generator=generator)], amounts, 0, False)


def test_channels_after_elements() -> None:
    generator = torch.Generator().manual_seed(1)
    weights = [torch.randn(6, 5, generator=generator)]
    theirs, ours = TorchSide(weights, 0), OurSide(weights, 0)
    for case, amount in [
        (UNSTRUCTURED["l1 local"], 0.6),
        (ln(0, 1), 2),
        (UNSTRUCTURED["random local"], 0.3),
        (random_channels(1), 0.5),
    ]:
        expected = theirs.event(case.torchs(amount))
        assert ours.event(case.ours, amount)[0].tolist() == expected[0].tolist()


@pytest.mark.parametrize("name", ["l1 global", "l1 local"])
@settings(max_examples=150, deadline=None)
@given(
    data=st.data(),
    shapes=st.lists(st.lists(st.integers(1, 4), min_size=1, max_size=4), min_size=1, max_size=3),
    levels=st.integers(1, 3),
    amounts=AMOUNTS,
    seed=SEEDS,
    dtype=st.sampled_from([torch.float32, torch.float64, torch.float16, torch.bfloat16]),
    channels_last=st.booleans(),
)
def test_ties_go_by_position(
    name: str,
    data: st.DataObject,
    shapes: list[list[int]],
    levels: int,
    amounts: list[tuple[bool, float]],
    seed: int,
    dtype: torch.dtype,
    channels_last: bool,
) -> None:
    """Where torch leaves it open, a stable sort by hand says which of the equal ones go."""
    generator = torch.Generator().manual_seed(seed)
    weights = [torch.randint(-levels, levels + 1, s, generator=generator).to(dtype) for s in shapes]
    ours = OurSide(laid_out(weights, channels_last), seed)
    method = UNSTRUCTURED[name].ours
    flat = [weight.abs().reshape(-1).tolist() for weight in weights]
    pooled = method.allocation is Allocation.GLOBAL
    pools = [list(range(len(flat)))] if pooled else [[i] for i in range(len(flat))]
    kept = [[True] * len(values) for values in flat]
    for _, share in amounts:
        for pool in pools:
            places = [(i, j) for i in pool for j in range(len(flat[i])) if kept[i][j]]
            ordered = sorted(places, key=lambda place: flat[place[0]][place[1]])
            for i, j in ordered[: round(share * len(places))]:
                kept[i][j] = False
        masks = ours.event(method, share)
        assert [mask.reshape(-1).tolist() for mask in masks] == kept
