"""A grid drawn as lines, for people.

In a pipe it has all columns, and is as wide as they need. On a terminal it has the columns that
fit; where a name and the numbers do not fit into one line, names get lines of their own. Names are
folded and never cut, and numbers are neither.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from rich.cells import cell_len, chop_cells
from rich.console import Console, ConsoleOptions, RenderResult
from rich.segment import Segment
from rich.style import Style
from rich.text import Text

from prunetool.reports.rendering.grid import Column, Grid, Row

_GAP = 2
_INDENT = 2  # of the numbers below a name
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
    rows = grid.rows + grid.totals
    name_width = max(cell_len(it) for it in (grid.what, *(row.name for row in rows)))
    stacked = width is not None and name_width + _GAP + _width_of(_fitting(grid, 0)) > width
    taken = _INDENT if stacked else name_width + _GAP
    grid = grid if width is None else _fitting(grid, max(width - taken, 0))
    widths = _widths(grid)
    full = width or 0
    lines_of = (
        _stacked(full, widths, grid.columns)
        if stacked
        else _side_by_side(name_width, widths, grid.columns)
    )
    titles = Row(grid.what, tuple(it.title for it in grid.columns))
    for line in lines_of(titles):
        yield line, Style(bold=True)
    yield rule * (max(taken + _width_of(grid), min(name_width, full))), Style(dim=True)
    for row in grid.rows:
        for line in lines_of(row):
            yield line, Style(color="red") if row.alarming else Style()
    yield "", Style()
    for row in grid.totals:
        for line in lines_of(row):
            yield line, Style(bold=True)


def _side_by_side(
    name_width: int, widths: list[int], columns: tuple[Column, ...]
) -> Callable[[Row], list[str]]:
    return lambda row: [_padded(row.name, name_width) + " " * _GAP + _cells(row, widths, columns)]


def _stacked(
    width: int, widths: list[int], columns: tuple[Column, ...]
) -> Callable[[Row], list[str]]:
    def lines(row: Row) -> list[str]:
        name = chop_cells(row.name, max(width, _LEAST_LINE))
        return [*name, " " * _INDENT + _cells(row, widths, columns)]

    return lines


def _cells(row: Row, widths: list[int], columns: tuple[Column, ...]) -> str:
    cells = zip(row.cells, widths, columns, strict=True)
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
