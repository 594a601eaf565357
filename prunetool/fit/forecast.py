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
            left = units - gone
            much = min(amount, left) if isinstance(amount, Integral) else amount
            gone = min(most, gone + units_to_remove(much, left))
    if method.allocation in (Allocation.UNIFORM, Allocation.ERK):
        return [room.lost for room in now]
    return gone


def require_reachable(rooms: Sequence[Room], sparsity: float, *, unit: str) -> None:
    """Make sure that ``sparsity`` can be reached.

    Raises:
        ValueError: saying how much can go at most.
    """
    units, most = sum(room.units for room in rooms), sum(room.most for room in rooms)
    if units_at(sparsity, units) > most:
        raise ValueError(
            f"sparsity: {sparsity:g} of {units} {unit} cannot be reached: the pattern and the "
            f"layers' bounds let {most} go ({most / units:.4f}); ask for less, or loosen them"
        )


def require_enough(
    rooms: Sequence[Room], names: Sequence[str], amount: int, *, unit: str, each: bool
) -> None:
    """Make sure that one event can remove ``amount`` units, of ``each`` tensor or of all.

    Raises:
        ValueError: naming the tensor that has fewer.
    """
    smallest = min(range(len(rooms)), key=lambda i: rooms[i].units)
    units = rooms[smallest].units if each else sum(room.units for room in rooms)
    if amount > units:
        whose = names[smallest] if each else "all targets together"
        raise ValueError(f"amount: expected at most the {units} {unit} of {whose}, got {amount}")


def _capped(amount: float, method: Method, rooms: Sequence[Room]) -> float:
    """Cap an integer amount at what is left: in the tensor with the least, if it counts in each."""
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
