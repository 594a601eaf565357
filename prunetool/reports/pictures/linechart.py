"""Lines over time: how a number went, point by point or in steps."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass

from prunetool.reports.pictures.axes import Axis, is_drawable
from prunetool.reports.pictures.figures import along, downwards, plot
from prunetool.reports.pictures.markup import Markup, element

_MOST_MARKS = 200
_SCALE = 1000  # units of the view box that lines are drawn in, on both sides


class Shape(enum.Enum):
    """How the points of a line are joined: straight; in steps, each value held; not at all."""

    STRAIGHT = "straight"
    STEPS = "steps"
    POINTS = "points"


@dataclass(frozen=True)
class Point:
    """A point, and what is said of it when it is pointed at."""

    x: float
    y: float
    label: str


@dataclass(frozen=True)
class Line:
    """A series.

    Attributes:
        kind: its class, which decides on the colour.
        points: by ascending x; where y cannot be drawn the line is broken.
        shape: how they are joined.
    """

    kind: str
    points: Sequence[Point]
    shape: Shape = Shape.STRAIGHT


def line_chart(lines: Sequence[Line], *, x: Axis, y: Axis, label: str, kind: str = "") -> Markup:
    """Draw lines in one plot."""
    drawn = [_drawn(line, x, y) for line in lines]
    marks = [_mark(line, point, x, y) for line in lines for point in _marked(line)]
    return plot(*drawn, *marks, x=x, y=y, label=label, kind=f"lines {kind}".strip())


def _drawn(line: Line, x: Axis, y: Axis) -> Markup:
    if line.shape is Shape.POINTS:
        return Markup()
    path = element(
        "path",
        d=_path(line, x, y),
        class_=f"line {line.kind}",
        vector_effect="non-scaling-stroke",
    )
    # Percentages are not understood in paths: a view box of its own is stretched over the plot.
    return element(
        "svg",
        path,
        viewBox=f"0 0 {_SCALE} {_SCALE}",
        preserveAspectRatio="none",
        width="100%",
        height="100%",
        class_="stretched",
    )


def _path(line: Line, x: Axis, y: Axis) -> str:
    parts: list[str] = []
    last: Point | None = None
    for point in line.points:
        if not is_drawable(point.y):
            last = None
            continue
        across, down = x.place(point.x) * _SCALE, (1 - y.place(point.y)) * _SCALE
        if last is None:
            parts.append(f"M{across:.2f} {down:.2f}")
        elif line.shape is Shape.STEPS:
            parts.append(f"H{across:.2f}V{down:.2f}")
        else:
            parts.append(f"L{across:.2f} {down:.2f}")
        last = point
    if line.shape is Shape.STEPS and last is not None:
        parts.append(f"H{_SCALE}")  # nothing changes it any more
    return "".join(parts)


def _marked(line: Line) -> Sequence[Point]:
    """Give the points to mark: not those of a line that has more of them than can be told apart."""
    joined = line.shape is not Shape.POINTS
    return () if joined and len(line.points) > _MOST_MARKS else line.points


def _mark(line: Line, point: Point, x: Axis, y: Axis) -> Markup:
    if not is_drawable(point.y):
        return Markup()
    return element(
        "circle",
        element("title", point.label),
        cx=along(x, point.x),
        cy=downwards(y, point.y),
        r="5" if line.shape is Shape.POINTS else "3",
        class_=f"mark {line.kind}",
        data_x=repr(point.x),
        data_y=repr(point.y),
    )
