"""``metrics.csv``: one row for each finished epoch, whole after every epoch."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from prunetool.checkpoints.writing import write_text
from prunetool.training.recording.epoch_record import EpochRecord

_FIRST_COLUMNS = ("round", "epoch", "step", "sparsity")


class MetricsFile:
    """The table of a run.

    Args:
        path: where it is written.
        rounds: whether the run has rounds, and the table a column for them.
        finished: (round, epochs of it): rows of an existing file up to there are kept, for a
            resumed run; None begins anew.

    ``epoch`` counts finished epochs from 1, in each round anew, ``step`` optimizer steps likewise;
    ``sparsity`` is in [0, 1]. A metric that an epoch did not log is an empty cell.
    """

    def __init__(
        self, path: Path, *, rounds: bool = False, finished: tuple[int, int] | None = None
    ) -> None:
        self._path = path
        self._columns = _FIRST_COLUMNS if rounds else _FIRST_COLUMNS[1:]
        self._rows: list[dict[str, str]] = []
        if finished is not None and path.exists():
            self._rows = [row for row in _read(path) if _place(row) <= finished]

    def add(self, record: EpochRecord) -> None:
        """Append a row, in the place of one for the same epoch, and write the file."""
        first = {
            "round": str(record.round),
            "epoch": str(record.epoch),
            "step": str(record.step),
            "sparsity": f"{record.sparsity:.6f}",
        }
        logged = {k: repr(v) for k, v in record.metrics.items() if k not in self._columns}
        row = {name: first[name] for name in self._columns} | logged
        self._rows = [it for it in self._rows if _place(it) != _place(row)] + [row]
        write_text(self._path, _table(self._rows, self._columns))


def _place(row: Mapping[str, str]) -> tuple[int, int]:
    return int(row.get("round", 1)), int(row["epoch"])


def _read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return [{name: cell for name, cell in row.items() if cell} for row in rows]


def _table(rows: Sequence[Mapping[str, str]], columns: Sequence[str]) -> str:
    logged = {name: None for row in rows for name in row if name not in columns}
    text = io.StringIO()
    writer = csv.DictWriter(text, [*columns, *logged], restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
