"""What the events of a fit came to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass
from typing import Any


@dataclass(frozen=True)
class Event:
    """One pruning event.

    Attributes:
        epoch: finished epochs when it happened, the current one counted in.
        step: optimizer steps so far.
        planned: the sparsity it aimed at, in [0, 1]; None where an amount decided.
        achieved: pruned share of the targets after it, in [0, 1].
    """

    epoch: int
    step: int
    planned: float | None
    achieved: float


def as_rows(events: Sequence[Event]) -> list[list[Any]]:
    """Write events as a checkpoint holds them."""
    return [list(astuple(event)) for event in events]


def from_rows(rows: Sequence[Sequence[Any]]) -> list[Event]:
    """Undo :func:`as_rows`."""
    return [Event(*row) for row in rows]
