from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from prunetool.pruning.allocation import Allocation
from prunetool.pruning.amounts import ShareToward, units_at
from prunetool.pruning.criteria import Criterion, Norm
from prunetool.pruning.masks import MaskSet
from prunetool.pruning.method import Method, prune
from prunetool.pruning.patterns import Channels, Elements
from prunetool.pruning.scores import NanScoresError
from prunetool.pruning.targets import Target

GLOBAL = Method(Criterion.MAGNITUDE, Elements(), Allocation.GLOBAL)
LOCAL = Method(Criterion.MAGNITUDE, Elements(), Allocation.UNIFORM)
RANDOM = Method(Criterion.RANDOM, Elements(), Allocation.GLOBAL)


def channels(dim: int, *, pooled: bool = False, norm: Norm = 1) -> Method:
    allocation = Allocation.GLOBAL if pooled else Allocation.UNIFORM
    return Method(Criterion.MAGNITUDE, Channels(dim), allocation, norm)


def start(**tensors: Tensor) -> tuple[list[Target], MaskSet]:
    masks = MaskSet()
    targets = [Target(name, nn.Parameter(tensor), ()) for name, tensor in tensors.items()]
    for target in targets:
        masks.add(target.name, target.parameter)
    return targets, masks


def event(
    method: Method, targets: list[Target], masks: MaskSet, amount: float, seed: int = 0
) -> dict[str, list]:
    """Prune once and give the whole masks as 0 and 1."""
    prune(method, targets, masks, amount, generator=torch.Generator().manual_seed(seed))
    return {target.name: masks.kept(target.name).int().tolist() for target in targets}


def pair() -> tuple[list[Target], MaskSet]:
    return start(
        a=torch.tensor([[0.1, -0.9], [0.3, -0.2]]), b=torch.tensor([0.05, -0.4, 0.6, 0.25])
    )


@pytest.mark.parametrize(
    ("method", "amount", "expected"),
    [
        (GLOBAL, 0.5, {"a": [[0, 1], [1, 0]], "b": [0, 1, 1, 0]}),
        (GLOBAL, 3, {"a": [[0, 1], [1, 0]], "b": [0, 1, 1, 1]}),
        (GLOBAL, 0, {"a": [[1, 1], [1, 1]], "b": [1, 1, 1, 1]}),
        (GLOBAL, 1.0, {"a": [[0, 0], [0, 0]], "b": [0, 0, 0, 0]}),
        (LOCAL, 0.25, {"a": [[0, 1], [1, 1]], "b": [0, 1, 1, 1]}),
        (LOCAL, 3, {"a": [[0, 1], [0, 0]], "b": [0, 0, 1, 0]}),
        (LOCAL, 4, {"a": [[0, 0], [0, 0]], "b": [0, 0, 0, 0]}),
    ],
)
def test_the_smallest_magnitudes_go(
    method: Method, amount: float, expected: dict[str, list]
) -> None:
    assert event(method, *pair(), amount) == expected


def test_amounts_are_shares_of_what_remains_and_weights_stay() -> None:
    targets, masks = pair()
    assert event(GLOBAL, targets, masks, 0.5)["b"] == [0, 1, 1, 0]
    # The pruned elements grow back in the parameter: they are out of the game all the same.
    assert event(GLOBAL, targets, masks, 0.5) == {"a": [[0, 1], [0, 0]], "b": [0, 0, 1, 0]}
    assert targets[0].parameter.tolist() == torch.tensor([[0.1, -0.9], [0.3, -0.2]]).tolist()


def test_equal_magnitudes_go_in_order_of_position_and_tensor() -> None:
    targets, masks = start(a=torch.tensor([[1.0, -1.0], [2.0, 1.0]]), b=torch.tensor([-1.0, 0.5]))
    assert event(GLOBAL, targets, masks, 3) == {"a": [[0, 0], [1, 1]], "b": [1, 0]}
    assert event(GLOBAL, targets, masks, 1) == {"a": [[0, 0], [1, 0]], "b": [1, 0]}


def test_positions_are_row_major_in_channels_last_too() -> None:
    weight = torch.ones(1, 2, 2, 2).to(memory_format=torch.channels_last)
    targets, masks = start(conv=weight)
    assert event(GLOBAL, targets, masks, 3) == {"conv": [[[[0, 0], [0, 1]], [[1, 1], [1, 1]]]]}
    assert masks.pruned("conv").is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize(
    ("method", "amount", "expected"),
    [
        (channels(0), 1, [[0, 0, 0], [1, 1, 1], [1, 1, 1]]),  # sums 6, 7, 8
        (channels(0, norm=math.inf), 1, [[1, 1, 1], [0, 0, 0], [1, 1, 1]]),  # maxima 4, 3, 6
        (channels(0, norm=2), 1, [[1, 1, 1], [0, 0, 0], [1, 1, 1]]),  # squares 18, 17, 38
        (channels(1), 2, [[1, 0, 0], [1, 0, 0], [1, 0, 0]]),  # sums 13, 3, 5
        (channels(-1), 0.67, [[1, 0, 0], [1, 0, 0], [1, 0, 0]]),
        (channels(0), 3, [[0, 0, 0], [0, 0, 0], [0, 0, 0]]),
    ],
)
def test_the_channels_of_least_norm_go(method: Method, amount: float, expected: list) -> None:
    weight = torch.tensor([[4.0, -1.0, 1.0], [-3.0, 2.0, 2.0], [6.0, 0.0, -2.0]])
    assert event(method, *start(w=weight), amount) == {"w": expected}


def test_channels_that_are_gone_do_not_count_and_partly_pruned_ones_do() -> None:
    targets, masks = start(w=torch.tensor([[5.0, 0.0], [0.0, 0.0], [3.0, 1.0], [2.0, 9.0]]))
    masks.prune("w", torch.tensor([[0, 1], [1, 1], [0, 0], [0, 0]], dtype=torch.bool))
    # Three channels remain, of norms 5, 4 and 11; a third of them is one.
    assert event(channels(0), targets, masks, 1 / 3) == {"w": [[1, 0], [0, 0], [0, 0], [1, 1]]}


def test_equal_channels_go_in_order_of_position_and_tensor() -> None:
    targets, masks = start(a=torch.ones(3, 2), b=torch.ones(2, 2))
    assert event(channels(0, pooled=True), targets, masks, 4) == {
        "a": [[0, 0], [0, 0], [0, 0]],
        "b": [[0, 0], [1, 1]],
    }


def test_channels_of_all_tensors_compete_where_they_are_pooled() -> None:
    targets, masks = start(a=torch.tensor([[1.0], [5.0]]), b=torch.tensor([[2.0, 2.0], [0.5, 0.0]]))
    method = channels(0, pooled=True)
    assert event(method, targets, masks, 2) == {"a": [[0], [1]], "b": [[1, 1], [0, 0]]}


def test_infinite_weights_are_the_last_to_go() -> None:
    targets, masks = start(w=torch.tensor([math.inf, 1.0, -math.inf, 2.0]))
    assert event(GLOBAL, targets, masks, 3) == {"w": [0, 0, 1, 0]}


@pytest.mark.parametrize("method", [GLOBAL, LOCAL, channels(0), channels(1)])
def test_a_weight_that_is_not_a_number_names_its_parameter(method: Method) -> None:
    targets, masks = start(
        **{"fine.weight": torch.ones(2, 2), "lost.weight": torch.tensor([[1.0, math.nan], [1, 1]])}
    )
    with pytest.raises(NanScoresError, match=r"^lost\.weight: 1 of . scores are NaN"):
        event(method, targets, masks, 0.5)


@pytest.mark.parametrize(
    ("method", "amount"), [(GLOBAL, 9), (LOCAL, 5), (GLOBAL, 1.1), (LOCAL, -0.1), (RANDOM, 9)]
)
def test_an_impossible_amount_changes_no_mask(method: Method, amount: float) -> None:
    targets, masks = pair()
    with pytest.raises(ValueError, match=f"amount={amount}"):
        event(method, targets, masks, amount)
    assert [masks.count(target.name) for target in targets] == [0, 0]


def test_a_local_number_must_fit_every_tensor_before_any_is_pruned() -> None:
    targets, masks = start(a=torch.rand(6), b=torch.rand(2))
    with pytest.raises(ValueError, match=r"amount=3: .* the 2 that remain"):
        event(LOCAL, targets, masks, 3)
    assert masks.count("a") == 0


def test_a_random_event_that_removes_nothing_draws_nothing() -> None:
    targets, masks = pair()
    generator = torch.Generator().manual_seed(5)
    before = generator.get_state()
    prune(RANDOM, targets, masks, 0, generator=generator)
    assert torch.equal(generator.get_state(), before)
    prune(RANDOM, targets, masks, 1, generator=generator)
    assert not torch.equal(generator.get_state(), before)


@settings(max_examples=60, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 40), min_size=1, max_size=6),
    goals=st.lists(st.floats(0, 1), min_size=1, max_size=5).map(sorted),
    method=st.sampled_from(
        [
            Method(criterion, Elements(), allocation)
            for criterion in (Criterion.MAGNITUDE, Criterion.RANDOM)
            for allocation in Allocation
            if (criterion, allocation) != (Criterion.RANDOM, Allocation.LAMP)
        ]
    ),
    seed=st.integers(0, 2**32),
)
def test_events_toward_a_sparsity_land_on_it_to_the_element(
    sizes: list[int], goals: list[float], method: Method, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    targets, masks = start(
        **{f"w{i}": torch.randn(size, generator=generator) for i, size in enumerate(sizes)}
    )
    for goal in goals:
        prune(method, targets, masks, ShareToward(0.0, sparsity=goal), generator=generator)
        assert sum(masks.count(t.name) for t in targets) == units_at(goal, sum(sizes))


def test_growing_goals_never_overshoot_by_taking_turns() -> None:
    # In proportion, 10 of 14 is 4, 4, 2 and 11 of 14 is 5, 5, 1: what is gone cannot come back.
    targets, masks = start(a=torch.rand(6), b=torch.rand(6), c=torch.rand(2))
    counts = []
    for goal in (10 / 14, 11 / 14, 12 / 14):
        event(LOCAL, targets, masks, ShareToward(0.0, sparsity=goal))
        counts.append([masks.count(target.name) for target in targets])
    assert counts == [[4, 4, 2], [5, 4, 2], [5, 5, 2]]


def test_a_goal_that_is_passed_already_removes_nothing() -> None:
    targets, masks = pair()
    event(GLOBAL, targets, masks, 6)
    for method in (GLOBAL, LOCAL):
        event(method, targets, masks, ShareToward(0.5, sparsity=0.5))
    assert sum(masks.count(target.name) for target in targets) == 6
