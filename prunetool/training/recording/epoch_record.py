"""What is told of an epoch when it has ended."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


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

    def as_plain(self) -> dict[str, Any]:
        """What a checkpoint holds."""
        return {**vars(self), "metrics": dict(self.metrics), "validated": sorted(self.validated)}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> EpochRecord:
        """Take over what :meth:`as_plain` gave."""
        return cls(**{**plain, "validated": frozenset(plain["validated"])})


Listener = Callable[[EpochRecord], None]
