"""Every combination of the axes lands on its count to the unit, and takes the lowest it may."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from by_hand import Bools, Floats, channels_first, held_by_groups, lowest, most_allowed
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from prunetool.pruning.allocation import Allocation
from prunetool.pruning.amounts import ShareToward
from prunetool.pruning.criteria import Criterion
from prunetool.pruning.gathering import Gathered
from prunetool.pruning.masks import MaskSet
from prunetool.pruning.method import Method, choose, prune
from prunetool.pruning.patterns import Channels, Elements, NOfM, Pattern
from prunetool.pruning.scores import NanScoresError
from prunetool.pruning.targets import Target

GLOBAL, UNIFORM, ERK, LAMP = Allocation
MAGNITUDE, RANDOM, SALIENCY, MOVEMENT = Criterion
PATTERNS: list[Pattern] = [
    Elements(),
    Channels(0),
    Channels(1),
    Channels(-1),
    NOfM(2, 4),
    NOfM(1, 4),
    NOfM(4, 8),
]
COMBINATIONS = [
    (criterion, allocation)
    for criterion in Criterion
    for allocation in Allocation
    if allocation is not LAMP or criterion.is_magnitude_like
]


class Network:
    """A few tensors with masks, and scores that the test knows."""

    def __init__(self, shapes: Sequence[Sequence[int]], transposed: Sequence[bool], seed: int):
        self.draws = torch.Generator().manual_seed(seed)
        self.masks = MaskSet()
        self.targets = []
        for i, (shape, turned) in enumerate(zip(shapes, transposed, strict=True)):
            module = nn.ConvTranspose2d(1, 1, 1) if turned else nn.Linear(1, 1)
            module.weight = nn.Parameter(torch.zeros(list(shape)))
            self.targets.append(Target(f"w{i}", module.weight, ((module, "weight"),)))
            self.masks.add(f"w{i}", module.weight)
        self.gathered: Gathered | None = None

    def train(self, criterion: Criterion, levels: int) -> None:
        """Draw new weights, and new sums over gradients; whole numbers, so that ties abound."""
        for target in self.targets:
            with torch.no_grad():
                target.parameter.copy_(self._whole(target, levels))
        self.gathered = Gathered(criterion)
        sums = {t.name: self._whole(t, levels) for t in self.targets}
        if criterion is SALIENCY:
            sums = {name: value.abs() for name, value in sums.items()}
        self.gathered.load(sums, self.targets)

    def _whole(self, target: Target, levels: int) -> Tensor:
        shape = target.parameter.shape
        return torch.randint(-levels, levels + 1, shape, generator=self.draws).float()

    def event(self, method: Method, goal: float) -> None:
        aim = ShareToward(0.0, sparsity=goal)
        gathered = self.gathered
        prune(method, self.targets, self.masks, aim, generator=self.draws, gathered=gathered)

    def pruned(self) -> list[Bools]:
        return [self.masks.pruned(target.name).numpy().copy() for target in self.targets]


@dataclass(frozen=True)
class Units:
    """The units of one tensor by hand: score (in an order-preserving form), gone, held by N:M."""

    scores: Floats
    gone: Bools
    held: Bools

    @property
    def open(self) -> Bools:
        return ~self.gone & ~self.held


def units_of(network: Network, method: Method, target: Target, pruned: Bools) -> Units:
    if method.criterion in (MAGNITUDE, RANDOM):
        values = np.abs(target.parameter.detach().double().numpy())
    else:
        assert network.gathered is not None
        values = network.gathered.state()[target.name].double().numpy()
    pattern = method.pattern
    if isinstance(pattern, Channels):
        rows = channels_first(values, pattern.dim)
        # The sum of squares orders as the norm does, and is exact.
        scores = rows.sum(1) if method.criterion is MOVEMENT else (rows**2).sum(1)
        gone = channels_first(pruned, pattern.dim).all(1)
        return Units(scores, gone, np.zeros_like(gone))
    held = np.zeros_like(pruned)
    if isinstance(pattern, NOfM):
        held = held_by_groups(values, pruned, n=pattern.n, m=pattern.m, dim=target.input_dim)
    return Units(values.reshape(-1), pruned.reshape(-1), held.reshape(-1))


def prunable_by_hand(pattern: Pattern, units: Units) -> int:
    """Count what may be gone in the end, as far as the pattern goes."""
    return int(units.gone.sum() + units.open.sum())


@st.composite
def networks(draw: st.DrawFn, pattern: Pattern) -> Network:
    count = draw(st.integers(1, 4))
    shapes, transposed = [], []
    for _ in range(count):
        dimensions = draw(st.sampled_from([2, 2, 4]))
        shape = draw(st.lists(st.integers(1, 4), min_size=dimensions, max_size=dimensions))
        turned = draw(st.booleans())
        if isinstance(pattern, NOfM):
            shape[0 if turned else 1] = 8 * draw(st.integers(1, 2))
        shapes.append(shape)
        transposed.append(turned)
    return Network(shapes, transposed, draw(st.integers(0, 2**32)))


BOUNDS = st.sampled_from([1.0, 1.0, 0.9, 0.75, 0.5, 0.4, 0.1])


@pytest.mark.parametrize(("criterion", "allocation"), COMBINATIONS)
@pytest.mark.parametrize("pattern", PATTERNS, ids=str)
@settings(max_examples=12, deadline=None)
@given(data=st.data(), bound=BOUNDS, levels=st.sampled_from([0, 1, 3, 1000]))
def test_every_event_lands_on_its_count_and_takes_the_lowest_it_may(
    criterion: Criterion,
    allocation: Allocation,
    pattern: Pattern,
    data: st.DataObject,
    bound: float,
    levels: int,
) -> None:
    network = data.draw(networks(pattern))
    goals = data.draw(st.lists(st.floats(0, 1), min_size=1, max_size=4).map(sorted))
    if data.draw(st.booleans(), label="elements went before, one by one"):
        network.train(MAGNITUDE, 1000)
        network.event(Method(RANDOM, Elements(), GLOBAL), 0.3)
    method = Method(criterion, pattern, allocation, 2, bound)
    for goal in goals:
        network.train(criterion, levels)
        before = network.pruned()
        was = [
            units_of(network, method, target, mask)
            for target, mask in zip(network.targets, before, strict=True)
        ]
        check_event(network, method, goal, before, was)


def check_event(
    network: Network, method: Method, goal: float, before: list[Bools], was: list[Units]
) -> None:
    total, lost = sum(u.gone.size for u in was), sum(int(u.gone.sum()) for u in was)
    most = [
        max(
            int(u.gone.sum()),
            most_allowed(method.max_sparsity, u.gone.size, prunable_by_hand(method.pattern, u)),
        )
        for u in was
    ]
    wanted = max(lost, round(goal * total))
    if wanted > sum(most):
        with pytest.raises(ValueError, match=f"cannot be reached: of {total} units at most"):
            network.event(method, goal)
        assert all(np.array_equal(*masks) for masks in zip(before, network.pruned(), strict=True))
        return
    network.event(method, goal)
    after = network.pruned()
    assert all((new | ~old).all() for old, new in zip(before, after, strict=True))  # only more
    now = [units_of(network, method, t, m) for t, m in zip(network.targets, after, strict=True)]
    given_ = [int(n.gone.sum() - w.gone.sum()) for w, n in zip(was, now, strict=True)]
    assert lost + sum(given_) == wanted
    assert all(n.gone.sum() <= limit for n, limit in zip(now, most, strict=True))
    check_groups(network, method, before, after)
    check_which_went(method, was, now, most, given_)


def check_groups(network: Network, method: Method, before: list[Bools], after: list[Bools]) -> None:
    """No group of N:M has lost more than the pattern lets go, unless it had before."""
    if not isinstance(method.pattern, NOfM):
        return
    m, most = method.pattern.m, method.pattern.m - method.pattern.n
    for target, old, new in zip(network.targets, before, after, strict=True):
        counts = [
            np.moveaxis(mask, target.input_dim, -1).reshape(-1, m).sum(1) for mask in (old, new)
        ]
        assert (counts[1] <= np.maximum(counts[0], most)).all()


def check_which_went(
    method: Method, was: list[Units], now: list[Units], most: list[int], given_: list[int]
) -> None:
    """Within a tensor the lowest go; among tensors too where all compete by their scores."""
    if method.criterion is RANDOM:
        return
    went = [n.gone & ~w.gone for w, n in zip(was, now, strict=True)]
    for w, chosen, k in zip(was, went, given_, strict=True):
        (expected,) = lowest([w.scores], [w.open], k)
        assert np.array_equal(chosen, expected)
    if method.allocation is not GLOBAL:
        return
    # Tensors at their bound aside, one pool.
    free = [i for i, n in enumerate(now) if n.gone.sum() < most[i] or not given_[i]]
    free = [i for i in free if n_open(was[i], most[i])]
    pool = lowest(
        [was[i].scores for i in free], [was[i].open for i in free], sum(given_[i] for i in free)
    )
    for i, expected in zip(free, pool, strict=True):
        assert np.array_equal(went[i], expected)


def n_open(units: Units, most: int) -> int:
    return most - int(units.gone.sum())


@pytest.mark.parametrize("allocation", Allocation)
@pytest.mark.parametrize("pattern", PATTERNS, ids=str)
def test_a_tensor_at_its_bound_gives_its_lowest_even_to_others_that_rank_above(
    allocation: Allocation, pattern: Pattern
) -> None:
    # The first tensor's weights are all the lowest, but half of it stays.
    network = Network([(8, 8), (8, 8)], [False, False], 0)
    with torch.no_grad():
        network.targets[0].parameter.copy_(torch.rand(8, 8))
        network.targets[1].parameter.copy_(torch.rand(8, 8) + 5)
    network.event(Method(MAGNITUDE, pattern, allocation, 2, 0.5), 0.5)
    assert [int(mask.sum()) for mask in network.pruned()] == [32, 32]


@pytest.mark.parametrize("allocation", Allocation)
@pytest.mark.parametrize(("n", "m"), [(1, 2), (2, 4), (1, 4), (3, 4), (4, 8), (5, 16), (30, 32)])
@pytest.mark.parametrize("turned", [False, True])
def test_the_full_event_leaves_exactly_n_of_each_m(
    allocation: Allocation, n: int, m: int, turned: bool
) -> None:
    shapes = [(m, 3, 2, 2), (2 * m, 5)] if turned else [(3, m, 2, 2), (5, 2 * m), (1, m, 4)]
    network = Network(shapes, [turned] * len(shapes), 1)
    network.train(MAGNITUDE, 9)
    for goal in (0.3 * (1 - n / m), 1 - n / m):
        network.event(Method(MAGNITUDE, NOfM(n, m), allocation), goal)
    for mask in network.pruned():
        dim = 0 if turned else 1
        groups = np.moveaxis(mask, dim, -1).reshape(-1, m)
        assert (groups.sum(1) == m - n).all()
    with pytest.raises(ValueError, match="cannot be reached"):
        network.event(Method(MAGNITUDE, NOfM(n, m), allocation), 1.0)


@pytest.mark.parametrize("allocation", Allocation)
def test_a_group_that_has_lost_more_than_the_pattern_lets_go_is_left_alone(
    allocation: Allocation,
) -> None:
    network = Network([(1, 8)], [False], 0)
    with torch.no_grad():
        network.targets[0].parameter.copy_(torch.arange(8.0, 0.0, -1.0).view(1, 8))
    network.masks.prune("w0", torch.tensor([[1, 1, 1, 0, 0, 0, 0, 0]], dtype=torch.bool))
    # Five may be gone in all, three already are: 4 stays in the first group, 4 and 3 in the other.
    network.event(Method(MAGNITUDE, NOfM(2, 4), allocation), 0.625)
    assert network.pruned()[0].astype(int).tolist() == [[1, 1, 1, 0, 0, 0, 1, 1]]
    with pytest.raises(ValueError, match="of 8 units at most 5"):
        network.event(Method(MAGNITUDE, NOfM(2, 4), allocation), 0.75)


AMOUNTS = st.one_of(st.floats(0, 1), st.integers(0, 8))


@pytest.mark.parametrize(("criterion", "allocation"), COMBINATIONS)
@settings(max_examples=15, deadline=None)
@given(data=st.data(), bound=BOUNDS, amounts=st.lists(AMOUNTS, min_size=1, max_size=4))
def test_amounts_of_what_remains_stop_at_the_bounds(
    criterion: Criterion,
    allocation: Allocation,
    data: st.DataObject,
    bound: float,
    amounts: list[float],
) -> None:
    pattern = data.draw(st.sampled_from(PATTERNS), label="pattern")
    network = data.draw(networks(pattern))
    method = Method(criterion, pattern, allocation, 2, bound)
    for amount in amounts:
        network.train(criterion, 3)
        before = network.pruned()
        was = [
            units_of(network, method, t, m) for t, m in zip(network.targets, before, strict=True)
        ]
        left = [int((~u.gone).sum()) for u in was]
        most = [most_allowed(bound, u.gone.size, prunable_by_hand(pattern, u)) for u in was]
        room = sum(limit - int(u.gone.sum()) for limit, u in zip(most, was, strict=True))
        whole = isinstance(amount, int)
        each = allocation is UNIFORM
        if whole and amount > (min(left) if each else sum(left)):
            with pytest.raises(ValueError, match=f"amount={amount}"):
                choose(method, network.targets, network.masks, amount, generator=network.draws)
            return
        if whole:
            asked = amount * len(left) if each else amount
        else:
            asked = sum(round(amount * n) for n in left) if each else round(amount * sum(left))
        prune(
            method,
            network.targets,
            network.masks,
            amount,
            generator=network.draws,
            gathered=network.gathered,
        )
        after = network.pruned()
        now = [units_of(network, method, t, m) for t, m in zip(network.targets, after, strict=True)]
        went = [int(n.gone.sum() - w.gone.sum()) for w, n in zip(was, now, strict=True)]
        assert sum(went) == min(asked, room)
        for n, limit in zip(now, most, strict=True):
            assert n.gone.sum() <= limit


DTYPES = [torch.float32, torch.float64, torch.float16, torch.bfloat16]


@pytest.mark.parametrize("allocation", Allocation)
@settings(max_examples=25, deadline=None)
@given(data=st.data(), goals=st.lists(st.floats(0, 0.5), min_size=1, max_size=3).map(sorted))
def test_masks_depend_neither_on_the_dtype_nor_on_the_memory_format(
    allocation: Allocation, data: st.DataObject, goals: list[float]
) -> None:
    pattern = data.draw(st.sampled_from(PATTERNS), label="pattern")
    seed = data.draw(st.integers(0, 2**32))
    shapes = [(3, 8), (2, 8, 3, 2), (8, 16)]
    method = Method(MAGNITUDE, pattern, allocation)
    results = []
    for dtype in DTYPES:
        for layout in (torch.contiguous_format, torch.channels_last):
            network = Network(shapes, [False] * 3, seed)
            network.train(MAGNITUDE, 9)
            network.masks = MaskSet()
            for target in network.targets:
                value = target.parameter.data.to(dtype)
                value = value.to(memory_format=layout) if value.dim() == 4 else value
                target.parameter.data = value
                network.masks.add(target.name, target.parameter)
            for goal in goals:
                network.event(method, goal)
            results.append([mask.tolist() for mask in network.pruned()])
    assert all(result == results[0] for result in results)


@pytest.mark.parametrize("criterion", [MAGNITUDE, SALIENCY, MOVEMENT])
@settings(max_examples=40, deadline=None)
@given(data=st.data(), count=st.integers(1, 40), goal=st.floats(0, 1), seed=st.integers(0, 2**32))
def test_a_global_pool_does_not_depend_on_how_it_is_split_into_tensors(
    criterion: Criterion, data: st.DataObject, count: int, goal: float, seed: int
) -> None:
    cuts = data.draw(st.lists(st.integers(0, count), max_size=5).map(sorted), label="cuts")
    sizes = [b - a for a, b in zip([0, *cuts], [*cuts, count], strict=True)]
    whole = Network([(count,)], [False], seed)
    whole.train(criterion, 3)
    parts = Network([(size,) for size in sizes], [False] * len(sizes), seed)
    assert whole.gathered is not None
    sums = whole.gathered.state()["w0"].split(sizes)
    parts.gathered = Gathered(criterion)
    parts.gathered.load({f"w{i}": part for i, part in enumerate(sums)}, parts.targets)
    for target, piece in zip(
        parts.targets, whole.targets[0].parameter.data.split(sizes), strict=True
    ):
        target.parameter.data.copy_(piece)
    for network in (whole, parts):
        network.event(Method(criterion, Elements(), GLOBAL), goal)
    assert np.concatenate(parts.pruned()).tolist() == whole.pruned()[0].tolist()


@pytest.mark.parametrize(
    "method",
    [
        Method(MAGNITUDE, pattern, allocation, 2, bound)
        for pattern in (Elements(), Channels(0), NOfM(2, 4))
        for allocation in Allocation
        for bound in (1.0, 0.6)
    ],
    ids=str,
)
def test_a_nan_in_the_last_tensor_is_named_and_nothing_is_pruned_anywhere(method: Method) -> None:
    network = Network([(8, 8), (8, 8)], [False, False], 0)
    network.train(MAGNITUDE, 9)
    with torch.no_grad():
        network.targets[1].parameter[3, 3] = math.nan
    with pytest.raises(NanScoresError, match=r"^w1: 1 of \d+ scores are NaN"):
        network.event(method, 0.4)
    assert [int(mask.sum()) for mask in network.pruned()] == [0, 0]


@pytest.mark.parametrize("pattern", [Elements(), NOfM(2, 4)], ids=str)
@pytest.mark.parametrize("allocation", Allocation)
def test_a_nan_under_the_mask_is_no_matter(allocation: Allocation, pattern: Pattern) -> None:
    network = Network([(8, 8), (8, 8)], [False, False], 0)
    network.train(MAGNITUDE, 9)
    where = torch.zeros(8, 8, dtype=torch.bool)
    where[3, 3] = True
    network.masks.prune("w1", where)
    with torch.no_grad():
        network.targets[1].parameter[3, 3] = math.nan
    network.event(Method(MAGNITUDE, pattern, allocation), 0.4)
    assert sum(int(mask.sum()) for mask in network.pruned()) == round(0.4 * 128)


@pytest.mark.parametrize("allocation", [GLOBAL, UNIFORM, ERK, LAMP])
def test_what_had_no_gradient_goes_last(allocation: Allocation) -> None:
    network = Network([(2, 4), (2, 4)], [False, False], 0)
    network.gathered = Gathered(SALIENCY)
    network.gathered.load({"w1": torch.arange(8.0).view(2, 4)}, network.targets)
    network.event(Method(SALIENCY, Elements(), allocation), 0.25)
    # By its scores the tensor that has some gives; where scores do not decide, both do.
    by_scores = allocation in (GLOBAL, LAMP)
    assert [int(m.sum()) for m in network.pruned()] == ([0, 4] if by_scores else [2, 2])
