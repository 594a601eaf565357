"""A grid drawn as lines, for people.

In a pipe it has all columns, and is as wide as they need. On a terminal it has the columns that
fit; a name that does not fit beside the numbers gets lines of its own above them, and all do where
most do not fit. Names are folded and never cut, and numbers are neither.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from rich.cells import cell_len, chop_cells
from rich.console import Console, ConsoleOptions, RenderResult
from rich.segment import Segment
from rich.style import Style
from rich.text import Text

from prunetool.reports.rendering.grid import Column, Grid, Row

_GAP = 2
_LEAST_LINE = 10  # what a name gets on the narrowest terminal


class Drawing:
    """What rich prints of a grid, knowing where it goes.

    Args:
        make: makes the grid: for people on a terminal (``human``) or else to the last digit; in
            ASCII only where nothing else can be printed.
    """

    def __init__(self, make: Callable[[bool, bool], Grid]) -> None:
        self._make = make

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield the lines."""
        grid = self._make(console.is_terminal, options.ascii_only).without_empty()
        width = options.max_width if console.is_terminal else None
        rule = "-" if options.ascii_only else "─"
        for line, style in _lines(grid, width, rule):
            if console.is_terminal:
                yield from console.render(Text(line, style=style, no_wrap=True, overflow="ignore"))
            else:
                yield Segment(line.rstrip() + "\n")


def _lines(grid: Grid, width: int | None, rule: str) -> Iterator[tuple[str, Style]]:
    """Yield lines and how they look."""
    names = [grid.what, *(row.name for row in grid.rows + grid.totals)]
    beside = _beside(names, None if width is None else width - _GAP - _width_of(_fitting(grid, 0)))
    taken = beside + _GAP
    grid = grid if width is None else _fitting(grid, max(width - taken, 0))
    longest = max(map(cell_len, names))
    layout = _Layout(grid.columns, _widths(grid), beside, longest if width is None else width)
    yield from ((line, Style(bold=True)) for line in layout.lines(grid.titles))
    yield rule * max(taken + _width_of(grid), min(longest, layout.width)), Style(dim=True)
    for row in grid.rows:
        for line in layout.lines(row):
            yield line, Style(color="red") if row.alarming else Style()
    yield "", Style()
    for row in grid.totals:
        for line in layout.lines(row):
            yield line, Style(bold=True)


def _beside(names: Sequence[str], room: int | None) -> int:
    """Say how wide the names are that stand beside their numbers; 0 if most do not fit there."""
    wide = sorted(map(cell_len, names))
    fit = [it for it in wide if room is None or it <= room]
    return fit[-1] if 2 * len(fit) >= len(wide) else 0


@dataclass(frozen=True)
class _Layout:
    """How a row becomes lines.

    Attributes:
        beside: the widest name that stands beside its numbers; longer ones stand above them.
        width: of a line.
    """

    columns: Sequence[Column]
    widths: Sequence[int]
    beside: int
    width: int

    def lines(self, row: Row) -> list[str]:
        cells = self._cells(row)
        if cell_len(row.name) <= self.beside:
            return [_padded(row.name, self.beside + _GAP) + cells]
        above = chop_cells(row.name, max(self.width, _LEAST_LINE))
        return [*above, " " * (self.beside + _GAP) + cells]

    def _cells(self, row: Row) -> str:
        cells = zip(row.cells, self.widths, self.columns, strict=True)
        padded = [_padded(cell, width, right=it.right) for cell, width, it in cells]
        return (" " * _GAP).join(padded).rstrip()


def _padded(text: str, width: int, *, right: bool = False) -> str:
    blanks = " " * (width - cell_len(text))
    return blanks + text if right else text + blanks


def _widths(grid: Grid) -> list[int]:
    rows = [it.cells for it in grid.rows + grid.totals]
    return [
        max(cell_len(text) for text in (column.title, *(cells[i] for cells in rows)))
        for i, column in enumerate(grid.columns)
    ]


def _width_of(grid: Grid) -> int:
    widths = _widths(grid)
    return sum(widths) + _GAP * (len(widths) - 1)


def _fitting(grid: Grid, room: int) -> Grid:
    """Drop the columns of the highest ranks that do not fit into ``room``."""
    widths = _widths(grid)
    kept = [i for i, it in enumerate(grid.columns) if it.rank == 0]
    used = sum(widths[i] + _GAP for i in kept) - _GAP
    for i in sorted(range(len(widths)), key=lambda i: grid.columns[i].rank):
        if i in kept:
            continue
        used += _GAP + widths[i]
        if used > room:
            break
        kept.append(i)
    return grid.only(sorted(kept))
