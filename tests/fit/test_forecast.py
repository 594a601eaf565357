from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from prunetool.fit.forecast import (
    elements_of,
    require_enough,
    require_reachable,
    units_in_the_end,
)
from prunetool.pruning.allocation import Allocation, Room
from prunetool.pruning.amounts import ShareToward
from prunetool.pruning.criteria import Criterion
from prunetool.pruning.masks import MaskSet
from prunetool.pruning.method import Method, prune
from prunetool.pruning.patterns import Channels, Elements, NOfM, Pattern
from prunetool.pruning.targets import Target

PATTERNS: list[Pattern] = [Elements(), Channels(0), Channels(1), NOfM(2, 4), NOfM(1, 8)]
GLOBAL, UNIFORM, ERK, LAMP = Allocation


def method(allocation: Allocation, pattern: Pattern | None = None, bound: float = 1.0) -> Method:
    return Method(Criterion.MAGNITUDE, pattern or Elements(), allocation, 2, bound)


def rooms(*sizes: int) -> list[Room]:
    return [Room((size,), size, 0, size) for size in sizes]


@pytest.mark.parametrize(
    ("allocation", "amount", "events", "expected"),
    [
        (GLOBAL, 0.5, 0, 0),
        (GLOBAL, 0.5, 1, 7),
        (GLOBAL, 0.5, 2, 11),  # 7 left, half is 3.5: 4
        (UNIFORM, 0.5, 2, [7, 3]),  # 5 of 10, then 2 (of 2.5); 2 of 4, then 1
        (GLOBAL, 3, 2, 6),
        (UNIFORM, 1, 3, [3, 3]),
        (LAMP, 3, 2, 6),
        (GLOBAL, 6, 3, 14),  # the third takes the 2 that are left
        (LAMP, 6, 3, 14),
        (ERK, 6, 3, [10, 4]),
        (UNIFORM, 3, 2, [4, 4]),  # the second takes the 1 that the smaller has left
        (GLOBAL, ShareToward(0.0, sparsity=0.5), 3, 7),
        (UNIFORM, ShareToward(0.0, sparsity=0.5), 3, [5, 2]),
    ],
)
def test_units_in_the_end_by_hand(
    allocation: Allocation, amount: float, events: int, expected: list[int] | int
) -> None:
    assert units_in_the_end(method(allocation), rooms(10, 4), amount, events=events) == expected


@pytest.mark.parametrize("allocation", Allocation)
@pytest.mark.parametrize("pattern", PATTERNS, ids=str)
@settings(max_examples=25, deadline=None)
@given(
    data=st.data(),
    shapes=st.lists(st.tuples(st.integers(1, 5), st.sampled_from([8, 16])), min_size=1, max_size=4),
    bound=st.sampled_from([1.0, 1.0, 0.8, 0.5]),
    events=st.integers(0, 4),
    seed=st.integers(0, 2**32),
)
def test_the_forecast_is_what_the_events_come_to(
    allocation: Allocation,
    pattern: Pattern,
    data: st.DataObject,
    shapes: list[tuple[int, int]],
    bound: float,
    events: int,
    seed: int,
) -> None:
    generator = torch.Generator().manual_seed(seed)
    masks, targets = MaskSet(), []
    for i, shape in enumerate(shapes):
        parameter = nn.Parameter(torch.randn(shape, generator=generator))
        targets.append(Target(f"w{i}", parameter, ()))
        masks.add(f"w{i}", parameter)
    way = method(allocation, pattern, bound)
    start = data.draw(st.sampled_from([0, 0.2]), label="share pruned before")
    prune(Method(Criterion.RANDOM), targets, masks, float(start), generator=generator)
    before = way.rooms(targets, masks)
    few = min(room.units - room.lost for room in before) // max(1, events)
    limit = sum(room.most for room in before) / sum(room.units for room in before)
    amount = data.draw(
        st.one_of(
            st.floats(0, 1),
            st.integers(0, few),
            st.floats(0, limit).map(lambda sparsity: ShareToward(0.0, sparsity=sparsity)),
        ),
        label="amount",
    )
    forecast = units_in_the_end(way, before, amount, events=events)
    for _ in range(events):
        prune(way, targets, masks, amount, generator=generator)
    achieved = [way.lost(target, masks) for target in targets]
    assert forecast == (sum(achieved) if isinstance(forecast, int) else achieved)
    if start == 0 and not (isinstance(pattern, Channels) and isinstance(forecast, int)):
        assert elements_of(way, before, forecast) == sum(masks.count(t.name) for t in targets)


def test_elements_of_channels_of_several_sizes() -> None:
    two = [Room((4, 10), 4, 0, 4), Room((6, 5), 6, 0, 6)]
    assert elements_of(method(UNIFORM, Channels(0)), two, [2, 3]) == 35
    # 5 of 10 channels of 70 elements in all: 7 each on the average.
    assert elements_of(method(GLOBAL, Channels(0)), two, 5) == 35
    assert elements_of(method(GLOBAL), two, 5) == 5
    assert elements_of(method(ERK), two, [2, 3]) == 5


def test_nothing_to_prune_at_all() -> None:
    empty = [Room((0, 4), 0, 0, 0)]
    for allocation in Allocation:
        units = units_in_the_end(method(allocation), empty, 0.5, events=2)
        assert elements_of(method(allocation), empty, units) == 0


@pytest.mark.parametrize(
    ("sparsity", "reachable"), [(0.0, True), (0.5, True), (0.54, True), (0.56, False), (1.0, False)]
)
def test_a_sparsity_beyond_the_bounds_is_refused_with_what_is_possible(
    sparsity: float, reachable: bool
) -> None:
    bounded = [Room((10,), 10, 0, 10), Room((20,), 20, 0, 6)]
    if reachable:
        require_reachable(bounded, sparsity, unit="channels")
        return
    with pytest.raises(
        ValueError,
        match=rf"^sparsity: {sparsity:g} of 30 channels cannot be .* let 16 go \(0\.5333\)",
    ):
        require_reachable(bounded, sparsity, unit="channels")


@pytest.mark.parametrize(
    ("amount", "each", "message"),
    [
        (14, False, None),
        (4, True, None),
        (15, False, "at most the 14 elements of all targets together, got 15"),
        (5, True, "at most the 4 elements of small, got 5"),
    ],
)
def test_an_amount_that_no_event_can_remove_is_refused(
    amount: int, each: bool, message: str | None
) -> None:
    names = ["big", "small"]
    if message is None:
        require_enough(rooms(10, 4), names, amount, unit="elements", each=each)
        return
    with pytest.raises(ValueError, match=f"^amount: expected {message}"):
        require_enough(rooms(10, 4), names, amount, unit="elements", each=each)


@pytest.mark.parametrize(
    ("amount", "events", "expected"),
    [
        (0.5, 0, 10),
        (0.5, 1, 5),
        (0.5, 3, 1),  # 5 go, then 2 (of 2.5, to even), then 2 (of 1.5, to even)
        (4, 2, 2),
        (4, 3, 0),
        (4, 9, 0),
        (0, 5, 10),
        (1.0, 2, 0),
    ],
)
def test_what_is_left_after_several_events(amount: float, events: int, expected: int) -> None:
    rooms = [Room((10,), 10, 0, 10)]
    assert 10 - units_in_the_end(Method(), rooms, amount, events=events) == expected
