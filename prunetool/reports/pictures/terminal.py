"""The schedule and the weights as plain text, for a terminal or a pipe."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from prunetool.reports.pictures.axes import Axis, count_axis, share_axis
from prunetool.reports.pictures.histogramchart import Moment, in_words
from prunetool.reports.pictures.runfiles import RunFiles
from prunetool.reports.pictures.schedule import achieved_points, steps_axis
from prunetool.reports.pictures.subject import Subject

_NARROWEST = 30
_SCHEDULE_ROWS = 9
_HISTOGRAM_ROWS = 6


@dataclass(frozen=True)
class Signs:
    """What plots are drawn with.

    Attributes:
        levels: of a bar in one cell, from empty to full.
        achieved, planned, both: the points of the schedule.
        corner, across, up: the axes.
    """

    levels: str
    achieved: str
    planned: str
    both: str
    corner: str
    across: str
    up: str


UNICODE = Signs(" ▁▂▃▄▅▆▇█", "━", "○", "◉", "└", "─", "│")
ASCII = Signs(" .:#", "=", "o", "@", "+", "-", "|")


def signs_for(encoding: str | None) -> Signs:
    """Choose signs that text in ``encoding`` can hold."""
    try:
        "".join(vars(UNICODE).values()).encode(encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return ASCII
    return UNICODE


def plots(subject: Subject, *, width: int, signs: Signs) -> str:
    """Draw the schedule, where there is a run, and the weights before and now.

    Args:
        subject: what to draw.
        width: columns at most, if there are 30.
        signs: see :func:`signs_for`.

    Returns:
        Lines without a newline at the end.
    """
    width = max(width, _NARROWEST)
    blocks: list[list[str]] = []
    if subject.run is not None and (subject.run.events or subject.run.epochs):
        blocks.append(_schedule(subject.run, width, signs))
    elif subject.run is not None:
        blocks.append([*subject.run.missing.values()] or ["no event, and no finished epoch"])
    moments = subject.moments()
    blocks += [_histogram(moment, width, signs) for moment in moments]
    if not moments:
        blocks.append(["no weights in the pruned set"])
    return "\n\n".join("\n".join(line.rstrip() for line in block) for block in blocks)


def _schedule(run: RunFiles, width: int, signs: Signs) -> list[str]:
    x, y = steps_axis(run), share_axis("sparsity")
    margin = max(len(y.label(tick)) for tick in y.ticks) + 1
    columns = width - margin - 1
    cells = [[" "] * columns for _ in range(_SCHEDULE_ROWS)]
    for column, value in enumerate(_held(run, x, columns)):
        if value is not None:
            cells[_row(y, value)][column] = signs.achieved
    for event in run.events:
        if event.planned is not None:
            row, column = _row(y, event.planned), _column(x, event.at, columns)
            met = cells[row][column] != " "
            cells[row][column] = signs.both if met else signs.planned
    lines = _framed(cells, x, y, margin, signs)
    key = f"{signs.achieved} achieved  {signs.planned} planned  {signs.both} both"
    return [f"sparsity  {key}", *lines]


def _held(run: RunFiles, x: Axis, columns: int) -> list[float | None]:
    """Give the achieved sparsity in each column; it holds until something changes it."""
    held: list[float | None] = [None] * columns
    for point in achieved_points(run):
        first = _column(x, point.x, columns)
        held[first:] = [point.y] * (columns - first)
    return held


def _histogram(moment: Moment, width: int, signs: Signs) -> list[str]:
    histogram = moment.histogram
    bins = len(histogram.counts)
    y = count_axis(histogram.counts, "weights", about=2)
    margin = max(len(y.label(tick)) for tick in y.ticks) + 1
    joined = next(it for it in (1, 2, 4, 8) if bins // it <= width - margin - 1 or it == 8)
    counts = [sum(histogram.counts[at : at + joined]) for at in range(0, bins, joined)]
    if joined > 1:
        y = count_axis(counts, "weights", about=2)
        margin = max(len(y.label(tick)) for tick in y.ticks) + 1
    end = histogram.width * bins / 2
    x = Axis(-end, end, (-end, 0.0, end), "value of the weight", is_rough=True)
    wide = max(1, (width - margin - 1) // len(counts))
    cells = [_bars(counts, row, y.high, signs, wide) for row in range(_HISTOGRAM_ROWS)]
    lines = _framed(cells, x, y, margin, signs)
    return [f"weights {moment.name}: {in_words(histogram)}", *lines]


def _bars(counts: Sequence[int], row: int, most: float, signs: Signs, wide: int) -> list[str]:
    """Give a row of bars, each ``wide`` columns; the topmost row is 0."""
    full = len(signs.levels) - 1
    below = (_HISTOGRAM_ROWS - 1 - row) * full
    heights = [count / most * _HISTOGRAM_ROWS * full for count in counts]
    # What is not nothing is seen.
    levels = [max(round(it), 1 if it else 0) - below for it in heights]
    return [sign for it in levels for sign in signs.levels[min(max(it, 0), full)] * wide]


def _framed(
    cells: Sequence[Sequence[str]], x: Axis, y: Axis, margin: int, signs: Signs
) -> list[str]:
    rows, columns = len(cells), len(cells[0])
    labels = {round((1 - y.place(tick)) * (rows - 1)): y.label(tick) for tick in y.ticks}
    lines = [
        f"{labels.get(row, ''):>{margin - 1}} {signs.up}{''.join(line)}"
        for row, line in enumerate(cells)
    ]
    return [
        *lines,
        " " * margin + signs.corner + signs.across * columns,
        " " * (margin + 1) + _under(x, columns),
        f"{x.name:>{margin + 1 + columns}}",
    ]


def _under(x: Axis, columns: int) -> str:
    """Write the ticks of ``x`` below their places, those that do not touch."""
    line = [" "] * columns
    free_from = 0
    for tick in x.ticks:
        label = x.label(tick)
        start = min(max(_column(x, tick, columns) - len(label) // 2, 0), columns - len(label))
        if start >= free_from:
            line[start : start + len(label)] = label
            free_from = start + len(label) + 1
    return "".join(line)


def _row(y: Axis, value: float) -> int:
    return round((1 - y.place(value)) * (_SCHEDULE_ROWS - 1))


def _column(x: Axis, value: float, columns: int) -> int:
    return min(int(x.place(value) * columns), columns - 1)
