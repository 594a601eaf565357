"""Histograms: one panel for each moment, one below the other, over the same values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from prunetool.pruning.histograms import Histogram
from prunetool.reports.pictures.axes import Axis, count_axis, counted, grouped, percent
from prunetool.reports.pictures.figures import Cell, Numbers, plot
from prunetool.reports.pictures.markup import Markup, element, join


@dataclass(frozen=True)
class Moment:
    """Weights at one time: when, in a word, and how they are spread."""

    name: str
    histogram: Histogram


def same_bins(moments: Sequence[Moment]) -> list[Moment]:
    """Count all moments in the same bins, the widest of them."""
    reach = max((moment.histogram.reach for moment in moments), default=0)
    return [Moment(it.name, it.histogram.widened(reach)) for it in moments]


def histogram_panels(moments: Sequence[Moment]) -> Markup:
    """Draw each moment; they have the same bins, and an axis of counts each."""
    return join(_panel(moment) for moment in moments)


def _panel(moment: Moment) -> Markup:
    histogram = moment.histogram
    x, y = (
        _value_axis(histogram),
        count_axis(histogram.counts, f"weights, {moment.name}", about=3),
    )
    bars = [_bar(histogram, place, x, y) for place, count in enumerate(histogram.counts) if count]
    label = f"Weights {moment.name}: {in_words(histogram)}"
    return plot(*bars, x=x, y=y, label=label, kind=f"histogram {moment.name}")


def _value_axis(histogram: Histogram) -> Axis:
    end = histogram.width * len(histogram.counts) / 2
    return Axis(
        -end, end, (-end, -end / 2, 0.0, end / 2, end), "value of the weight", is_rough=True
    )


def _bar(histogram: Histogram, place: int, x: Axis, y: Axis) -> Markup:
    low, high = edges(histogram, place)
    count = histogram.counts[place]
    height = y.place(count)
    return element(
        "rect",
        element("title", f"{low:g} to {high:g}: {grouped(count)}"),
        x=f"{100 * x.place(low):.6g}%",
        width=f"{100 / len(histogram.counts):.6g}%",
        y=f"{100 * (1 - height):.6g}%",
        height=f"{100 * height:.6g}%",
        data_n=str(count),
    )


def edges(histogram: Histogram, place: int) -> tuple[float, float]:
    """Say from where to where a bin goes."""
    low = (place - len(histogram.counts) // 2) * histogram.width
    return low, low + histogram.width


def in_words(histogram: Histogram) -> str:
    """Say what no bar shows: the zeros, and what lies beyond the bins."""
    zeros = histogram.zeros / histogram.elements if histogram.elements else 0.0
    words = f"{counted(histogram.zeros, 'zero')} ({percent(zeros)}), which no bar shows"
    if histogram.outside:
        words += f"; {grouped(histogram.outside)} beyond the axis, infinite or NaN"
    return words


def histogram_numbers(moments: Sequence[Moment], caption: str) -> Numbers:
    """Put the counts of all moments side by side."""
    first = moments[0].histogram
    rows = [
        [Cell(f"{low:g} to {high:g}"), *(_count(it.histogram.counts[place]) for it in moments)]
        for place in range(len(first.counts))
        for low, high in [edges(first, place)]
        if any(it.histogram.counts[place] for it in moments)
    ]
    zeros = [Cell("exactly zero"), *(_count(it.histogram.zeros) for it in moments)]
    beyond = [Cell("beyond the axis"), *(_count(it.histogram.outside) for it in moments)]
    headings = ["value of the weight", *(f"weights {it.name}" for it in moments)]
    return Numbers(caption, headings, [*rows, zeros, beyond])


def _count(number: int) -> Cell:
    return Cell(grouped(number), number)
