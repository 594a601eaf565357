"""Reports as Markdown, for a pull request: tables as GitHub has them.

Names are code, so that nothing in them is taken for markup, a mention or an emoji.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from prunetool.reports.rendering.grid import Grid, Row

_MOST_UNFOLDED = 40  # rows


def to_markdown(grid: Grid, *, title: str) -> str:
    """Write the totals, then a table of all rows, folded up if it is long.

    Args:
        title: of both; shown literally.
    """
    grid = grid.without_empty()
    totals = "\n".join(_table(grid, grid.totals, what="total", code=False))
    rows = "\n".join(_table(grid, grid.rows, what=grid.what, code=True))
    if len(grid.rows) > _MOST_UNFOLDED:
        summary = f"{len(grid.rows)} {grid.what}s"
        rows = f"<details>\n<summary>{summary}</summary>\n\n{rows}\n\n</details>"
    return f"### prunetool report: {literal(title)}\n\n{totals}\n\n{rows}\n"


def _table(grid: Grid, rows: Sequence[Row], *, what: str, code: bool) -> Iterable[str]:
    yield _line([what, *(it.title for it in grid.columns)])
    yield _line(["---", *("---:" if it.right else "---" for it in grid.columns)])
    for row in rows:
        name = literal(row.name) if code else f"**{row.name}**"
        yield _line([name, *(it.replace("<", "&lt;") for it in row.cells)])


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def literal(text: str) -> str:
    """Give a code span that shows ``text``, in a table too, whatever is in it."""
    longest = max((len(it) for it in re.findall("`+", text)), default=0)
    fence = "`" * (longest + 1)
    blank = " " if text[:1] in ("`", "") or text[-1:] == "`" else ""
    return f"{fence}{blank}{text}{blank}{fence}".replace("|", "\\|")
