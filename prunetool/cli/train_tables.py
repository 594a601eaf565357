"""What a training came to, as tables: its prunings, or its rounds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from prunetool.training.outcome import Outcome

_MOST_ROWS = 15


def events_table(outcome: Outcome) -> tuple[Table, str]:
    """Show how the sparsity rose.

    Returns:
        The table; and what to say of rows that are left out, or nothing.
    """
    from prunetool.training.recording.events_file import COLUMNS, event_rows

    table = _table(COLUMNS)
    rows = event_rows(outcome.history)
    chosen = evenly(len(rows), _MOST_ROWS)
    for i in chosen:
        table.add_row(*(cell or "-" for cell in rows[i]))
    if len(chosen) == len(rows):
        return table, ""
    return table, f"{len(chosen)} of {len(rows)} events; all are in {outcome.folder.events}"


def rounds_table(outcome: Outcome) -> Table:
    """Show every round: what it trained, how good that was, and where it is."""
    names = list(dict.fromkeys(name for row in outcome.rounds for name in row.metrics))
    table = _table(("round", "density", "sparsity", *names))
    table.add_column("file", no_wrap=True)
    for row in outcome.rounds:
        values = [f"{row.metrics[name]:.6g}" if name in row.metrics else "-" for name in names]
        numbers = (str(row.number), f"{row.density:.6f}", f"{row.sparsity:.6f}")
        table.add_row(*numbers, *values, Text(str(outcome.folder.round(row.number))))
    return table


def evenly(count: int, most: int) -> list[int]:
    """Choose at most ``most`` of ``count`` positions, evenly, the first and the last among them."""
    if count <= most:
        return list(range(count))
    return [round(i * (count - 1) / (most - 1)) for i in range(most)]


def _table(columns: Sequence[str]) -> Table:
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    for name in columns:
        table.add_column(Text(name), justify="right", no_wrap=True)
    return table
