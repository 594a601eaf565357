"""What is told of an epoch when it has ended."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class EpochRecord:
    """A finished epoch.

    Attributes:
        epoch: finished epochs, from 1; of its round, where there are rounds.
        step: optimizer steps so far, likewise.
        sparsity: pruned share of the targets, in [0, 1].
        metrics: what belongs to the weights as they are now.
        validated: the names of those that the validation logged.
        round: which training this is, from 1.
    """

    epoch: int
    step: int
    sparsity: float
    metrics: dict[str, float]
    validated: frozenset[str] = frozenset()
    round: int = 1


Listener = Callable[[EpochRecord], None]
