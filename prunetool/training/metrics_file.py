"""``metrics.csv``: one row for each finished epoch, whole after every epoch."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from pathlib import Path

from prunetool.training.atomic import write_text

_FIRST_COLUMNS = ("epoch", "step", "sparsity")


class MetricsFile:
    """The table of a run.

    Args:
        path: where it is written.
        finished_epochs: rows of an existing file up to this epoch are kept, for a resumed run;
            None begins anew.

    ``epoch`` counts finished epochs from 1, ``step`` optimizer steps, ``sparsity`` is in [0, 1].
    A metric that an epoch did not log is an empty cell.
    """

    def __init__(self, path: Path, *, finished_epochs: int | None = None) -> None:
        self._path = path
        self._rows: list[dict[str, str]] = []
        if finished_epochs is not None and path.exists():
            self._rows = [row for row in _read(path) if int(row["epoch"]) <= finished_epochs]

    def add(self, *, epoch: int, step: int, sparsity: float, metrics: Mapping[str, float]) -> None:
        """Append a row and write the file."""
        first = {"epoch": str(epoch), "step": str(step), "sparsity": f"{sparsity:.6f}"}
        logged = {name: repr(value) for name, value in metrics.items() if name not in first}
        self._rows.append({**first, **logged})
        write_text(self._path, _table(self._rows))


def _read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return [{name: cell for name, cell in row.items() if cell} for row in rows]


def _table(rows: Iterable[Mapping[str, str]]) -> str:
    rows = list(rows)
    logged = {name: None for row in rows for name in row if name not in _FIRST_COLUMNS}
    text = io.StringIO()
    writer = csv.DictWriter(text, [*_FIRST_COLUMNS, *logged], restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
