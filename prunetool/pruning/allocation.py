"""How a number of units is shared among tensors, without a look at their scores.

=========  =========================================================================================
global     all units compete in one pool, whatever their tensor
uniform    the same share of every tensor
erk        Erdős-Rényi-Kernel: a density in proportion to (sum of the shape) / (product of the
           shape); Mocanu et al. 2018, arXiv 1707.04780; Evci et al. 2020, arXiv 1911.11134
lamp       by the LAMP scores of all units; Lee et al. 2021, arXiv 2010.07611 (``lamp.py``)
=========  =========================================================================================

Global and LAMP need the scores; they are decided where those are (``method.py``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from fractions import Fraction

from prunetool.pruning.apportion import apportion


class Allocation(Enum):
    """Who gives how much."""

    GLOBAL = "global"
    UNIFORM = "uniform"
    ERK = "erk"
    LAMP = "lamp"


@dataclass(frozen=True)
class Room:
    """What can go of one tensor, in units of its pattern.

    Attributes:
        shape: of the tensor.
        units: all of it.
        lost: gone already.
        most: that may be gone in the end, between ``lost`` and ``units``.
    """

    shape: tuple[int, ...]
    units: int
    lost: int
    most: int

    @property
    def open(self) -> int:
        """Units that may go from here on."""
        return self.most - self.lost


# A sparsity that was computed as 1 - density is off by less; no tensor has units so fine.
_ROUNDED = 2.0**-52


def most_at(max_sparsity: float, units: int, prunable: int) -> int:
    """Count the units of a tensor that may go at most.

    Args:
        max_sparsity: no tensor may be sparser, in [0, 1].
        units: of the tensor.
        prunable: that its pattern lets go.
    """
    within = int(max_sparsity * units)
    # 0.29 * 100 is 28.999..., and 1 - 0.9 is 0.0999...: one more may still be within.
    while within < units and (within + 1) / units <= max_sparsity + _ROUNDED:
        within += 1
    return min(within, prunable)


def uniform(rooms: Sequence[Room], total: int) -> list[int]:
    """Share out ``total`` gone units: of each tensor the same share, within its room.

    Returns:
        Units gone of each tensor; their sum is ``total`` if there is room for it.
    """
    return apportion(
        [room.units for room in rooms],
        total,
        least=[room.lost for room in rooms],
        most=[room.most for room in rooms],
    )


def erk(rooms: Sequence[Room], total: int) -> list[int]:
    """Share out ``total`` gone units so that densities are Erdős-Rényi-Kernel, within the rooms.

    The density of a tensor is ``level * sum(shape) / prod(shape)``, at most 1, with the one level
    at which the kept units sum up; a tensor of one dimension so stays dense as long as any.

    Returns:
        Units gone of each tensor; their sum is ``total`` if there is room for it.
    """
    kept = apportion(
        [_erk_weight(room) for room in rooms],
        sum(room.units for room in rooms) - total,
        least=[room.units - room.most for room in rooms],
        most=[room.units - room.lost for room in rooms],
    )
    return [room.units - keep for room, keep in zip(rooms, kept, strict=True)]


def _erk_weight(room: Room) -> Fraction:
    """Units kept at level 1: the units times the density."""
    elements = 1
    for size in room.shape:
        elements *= size
    return Fraction(room.units * sum(room.shape), elements) if elements else Fraction(0)
