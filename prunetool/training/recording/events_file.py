"""``events.csv``: what each pruning of a run was to reach, and what it reached."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from prunetool.checkpoints.writing import write_text

COLUMNS = ("event", "epoch", "step", "planned", "achieved")


class Event(Protocol):
    """A pruning, as ``ModelPruning.history`` lists them.

    Attributes:
        epoch: finished epochs.
        step: optimizer steps.
        planned: the sparsity aimed at, in [0, 1]; None where an amount was removed.
        achieved: the sparsity reached, in [0, 1].
    """

    @property
    def epoch(self) -> int: ...  # noqa: D102

    @property
    def step(self) -> int: ...  # noqa: D102

    @property
    def planned(self) -> float | None: ...  # noqa: D102

    @property
    def achieved(self) -> float: ...  # noqa: D102


def event_rows(history: Sequence[Event]) -> list[tuple[str, ...]]:
    """Put events into cells, in the order of `COLUMNS`; sparsities with six decimals."""
    return [
        (
            str(number),
            str(event.epoch),
            str(event.step),
            "" if event.planned is None else f"{event.planned:.6f}",
            f"{event.achieved:.6f}",
        )
        for number, event in enumerate(history, start=1)
    ]


def write_events(path: Path, history: Sequence[Event]) -> None:
    """Write every event of a run; a dense run leaves a table without rows.

    Raises:
        OutputError: if the file cannot be written.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([COLUMNS, *event_rows(history)])
    write_text(path, text.getvalue())
