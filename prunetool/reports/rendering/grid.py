"""A table before it is drawn: the same for a terminal, a pipe and Markdown."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Column:
    """A column beside the names.

    Attributes:
        rank: 0 is always shown; of the others, the lower ones where there is not room for all.
        right: whether it is aligned to the right.
        title_of_totals: its title where totals have a table of their own; the same by default.
    """

    title: str
    rank: int = 0
    right: bool = False
    title_of_totals: str = ""


@dataclass(frozen=True)
class Row:
    """A name, and a cell for each column.

    Attributes:
        alarming: whether a reader should see it first.
    """

    name: str
    cells: tuple[str, ...]
    alarming: bool = False


@dataclass(frozen=True)
class Grid:
    """Rows, and the totals below them.

    Attributes:
        what: rows are, in the singular: the title of the names.
    """

    what: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    totals: tuple[Row, ...]

    @property
    def titles(self) -> Row:
        """What stands above the names and the columns."""
        return Row(self.what, tuple(it.title for it in self.columns))

    def only(self, kept: list[int]) -> Grid:
        """Give the grid with some of its columns."""

        def cut(rows: tuple[Row, ...]) -> tuple[Row, ...]:
            return tuple(replace(it, cells=tuple(it.cells[i] for i in kept)) for it in rows)

        columns = tuple(self.columns[i] for i in kept)
        return Grid(self.what, columns, cut(self.rows), cut(self.totals))

    def without_empty(self) -> Grid:
        """Drop the columns in which no row has anything."""
        rows = self.rows + self.totals
        return self.only([i for i in range(len(self.columns)) if any(it.cells[i] for it in rows)])
