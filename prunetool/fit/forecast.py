"""How many elements are gone in the end, if all goes to plan: said before the training starts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from numbers import Integral

from prunetool.pruning.allocation import Allocation, Room
from prunetool.pruning.amounts import ShareToward, units_at, units_to_remove
from prunetool.pruning.method import Method, goals_without_scores
from prunetool.pruning.patterns import Channels


def units_in_the_end(
    method: Method, rooms: Sequence[Room], amount: float, *, events: int
) -> list[int] | int:
    """Count the units that are gone after ``events`` events of ``amount`` each.

    Args:
        method: what prunes.
        rooms: where the targets stand.
        amount: as for :func:`prunetool.pruning.method.choose`; an integer that exceeds what
            remains takes all of it.
        events: how many.

    Returns:
        Units of each tensor, or of all where scores decide who gives.
    """
    units, most = sum(room.units for room in rooms), sum(room.most for room in rooms)
    gone = sum(room.lost for room in rooms)
    now = list(rooms)
    for _ in range(events):
        if method.allocation in (Allocation.UNIFORM, Allocation.ERK):
            goals = goals_without_scores(method, now, _capped(amount, method, now))
            now = [replace(room, lost=goal) for room, goal in zip(now, goals, strict=True)]
        elif isinstance(amount, ShareToward):
            gone = max(gone, min(most, units_at(amount.sparsity, units)))
        else:
            gone = min(most, gone + units_to_remove(_capped(amount, method, now), units - gone))
    if method.allocation in (Allocation.UNIFORM, Allocation.ERK):
        return [room.lost for room in now]
    return gone


def _capped(amount: float, method: Method, rooms: Sequence[Room]) -> float:
    if not isinstance(amount, Integral):
        return amount
    left = [room.units - room.lost for room in rooms]
    return min(amount, min(left) if method.allocation is Allocation.UNIFORM else sum(left))


def elements_of(method: Method, rooms: Sequence[Room], units: list[int] | int) -> int:
    """Turn units into elements.

    Where channels of different sizes compete, the count depends on which are chosen; their mean
    size is taken.
    """
    elements = [_product(room.shape) for room in rooms]
    if not isinstance(method.pattern, Channels):
        return units if isinstance(units, int) else sum(units)
    if isinstance(units, int):
        return round(units * sum(elements) / max(1, sum(room.units for room in rooms)))
    return sum(
        gone * (size // max(1, room.units))
        for gone, size, room in zip(units, elements, rooms, strict=True)
    )


def _product(shape: tuple[int, ...]) -> int:
    size = 1
    for length in shape:
        size *= length
    return size
