"""Reports as Markdown, for a pull request: tables as GitHub has them.

Names are code, so that nothing in them is taken for markup, a mention or an emoji.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from prunetool.reports.rendering.grid import Column, Grid, Row

_MOST_UNFOLDED = 40  # rows


def to_markdown(grid: Grid, *, title: str, unmet: Sequence[str] = ()) -> str:
    """Write the totals, then a table of all rows, folded up if it is long.

    Args:
        title: of both; shown literally.
        unmet: a line for each requirement that is not met, shown above them literally.
    """
    totals, rows = _totals(grid), _rows(grid)
    if len(grid.rows) > _MOST_UNFOLDED:
        summary = f"{len(grid.rows)} {grid.what}s"
        rows = f"<details>\n<summary>{summary}</summary>\n\n{rows}\n\n</details>"
    failures = "\n".join(f"- :x: {code(it)}" for it in unmet)
    head = f"### prunetool report: {code(title)}"
    return "\n\n".join(it for it in (head, failures, totals, rows) if it) + "\n"


def _totals(grid: Grid) -> str:
    own = replace(grid, rows=()).without_empty()
    titles = ("total", *(it.title_of_totals or it.title for it in own.columns))
    return _table(own.columns, titles, {f"**{it.name}**": it for it in own.totals})


def _rows(grid: Grid) -> str:
    own = replace(grid, totals=()).without_empty()
    titles = (own.what, *(it.title for it in own.columns))
    return _table(own.columns, titles, {literal(it.name): it for it in own.rows})


def _table(columns: Sequence[Column], titles: Sequence[str], rows: Mapping[str, Row]) -> str:
    sides = ("---", *("---:" if it.right else "---" for it in columns))
    lines = [titles, sides]
    lines += [(name, *(it.replace("<", "&lt;") for it in row.cells)) for name, row in rows.items()]
    return "\n".join(_line(it) for it in lines)


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def literal(text: str) -> str:
    """Give a code span that shows ``text`` in a table, whatever is in it."""
    return code(text).replace("|", "\\|")


def code(text: str) -> str:
    """Give a code span that shows ``text`` outside of tables, whatever is in it."""
    longest = max((len(it) for it in re.findall("`+", text)), default=0)
    fence = "`" * (longest + 1)
    blank = " " if text[:1] in ("`", "") or text[-1:] == "`" else ""
    return f"{fence}{blank}{text}{blank}{fence}"
