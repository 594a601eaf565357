"""What all charts have around them: a figure with a caption, and its numbers as a table behind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from prunetool.reports.pictures.axes import Axis
from prunetool.reports.pictures.markup import Markup, element, join


@dataclass(frozen=True)
class Cell:
    """A cell of a table.

    Attributes:
        text: what is shown.
        value: the number itself, for those that read the document by program; None for text.
        is_name: whether it names its row: it is set as code, in full.
    """

    text: str
    value: float | None = None
    is_name: bool = False


@dataclass(frozen=True)
class Numbers:
    """A table: headings, and rows of as many cells."""

    caption: str
    headings: Sequence[str]
    rows: Sequence[Sequence[Cell]] = field(default_factory=tuple)


def figure(caption: str, *content: str, numbers: Numbers, id_: str) -> Markup:
    """Give a chart with its caption above it, and the table of its numbers to open below."""
    return element(
        "figure",
        element("figcaption", caption),
        *content,
        behind(numbers, id_),
        id=id_,
    )


def behind(numbers: Numbers, id_: str) -> Markup:
    """Give a table that is opened on demand, and always printed."""
    return element(
        "details",
        element("summary", f"Table: {numbers.caption}"),
        table(numbers, id_),
    )


def table(numbers: Numbers, id_: str) -> Markup:
    """Give a table in a box of its own that scrolls where the page is too narrow for it."""
    head = element("tr", *_headings(numbers))
    return element(
        "div",
        element(
            "table",
            element("caption", numbers.caption),
            element("thead", head),
            element("tbody", *(_row(cells) for cells in numbers.rows)),
            id=f"{id_}-numbers",
        ),
        class_="scroll",
        tabindex="0",
        role="region",
        aria_label=numbers.caption,
    )


def _headings(numbers: Numbers) -> list[Markup]:
    """Set each heading as the numbers below it are set."""
    first = numbers.rows[0] if numbers.rows else [Cell("")] * len(numbers.headings)
    return [
        element("th", it, scope="col", class_=None if cell.value is None else "number")
        for it, cell in zip(numbers.headings, first, strict=True)
    ]


def _row(cells: Sequence[Cell]) -> Markup:
    return element("tr", *(_cell(it) for it in cells))


def _cell(cell: Cell) -> Markup:
    if cell.is_name:
        return element("th", element("code", cell.text), scope="row")
    if cell.value is None:
        return element("td", cell.text)
    return element("td", cell.text, class_="number", data_value=repr(cell.value))


def plot(*content: str, x: Axis, y: Axis, label: str, kind: str) -> Markup:
    """Give a plot with its axes: it is as wide as there is room, and its text keeps its size.

    Args:
        content: SVG, in percentages of the plot; y runs downwards.
        x, y: the axes; ticks of ``y`` are drawn as grid lines.
        label: what it shows, for those who do not see it.
        kind: its class.
    """
    lines = [
        element("line", x1="0", x2="100%", y1=at, y2=at, class_="grid")
        for at in (downwards(y, tick) for tick in y.ticks)
    ]
    down = [element("span", y.label(tick), style=f"top:{downwards(y, tick)}") for tick in y.ticks]
    across = [element("span", x.label(tick), style=f"left:{along(x, tick)}") for tick in x.ticks]
    return element(
        "div",
        element("div", y.name, class_="y-name", aria_hidden="true"),
        element("div", *down, class_="y", aria_hidden="true"),
        element("svg", *lines, *content, class_=f"plot {kind}", role="img", aria_label=label),
        element("div", *across, class_="x", aria_hidden="true"),
        element("div", x.name, class_="x-name", aria_hidden="true"),
        class_="chart",
    )


def along(axis: Axis, value: float) -> str:
    """Say where ``value`` is from the left, in percent."""
    return _percentage(axis.place(value))


def downwards(axis: Axis, value: float) -> str:
    """Say where ``value`` is from the top, in percent."""
    return _percentage(1 - axis.place(value))


def _percentage(share: float) -> str:
    return f"{round(100 * share, 3) + 0.0:g}%"


def legend(*entries: tuple[str, str]) -> Markup:
    """Say which colour is which; entries are (class, name)."""
    items = (element("li", element("i", class_=f"swatch {kind}"), name) for kind, name in entries)
    return element("ul", *items, class_="legend")


def sentences(lines: Sequence[str]) -> Markup:
    """Give each line as a paragraph of small print."""
    return join(element("p", line, class_="note") for line in lines)
