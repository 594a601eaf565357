"""The sections of the page, in their order: each a heading, a chart, and what is said of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from prunetool.reports.pictures.axes import counted, grouped, percent
from prunetool.reports.pictures.bars import sparsity_bars
from prunetool.reports.pictures.figures import (
    Cell,
    Numbers,
    behind,
    figure,
    legend,
    sentences,
)
from prunetool.reports.pictures.histogramchart import (
    Moment,
    histogram_numbers,
    histogram_panels,
    in_words,
)
from prunetool.reports.pictures.markup import Markup, element, join
from prunetool.reports.pictures.maskpicture import mask_numbers, mask_picture
from prunetool.reports.pictures.schedule import (
    epoch_numbers,
    event_numbers,
    metric_charts,
    schedule_chart,
)
from prunetool.reports.pictures.subject import Subject
from prunetool.reports.statistics import Layer


@dataclass(frozen=True)
class Section:
    """A part of the page: where it is found, its heading, and what is in it."""

    id: str
    heading: str
    content: Markup


def schedule_section(subject: Subject) -> Section | None:
    """Sparsity and metrics over the training; None without a run."""
    run = subject.run
    if run is None:
        return None
    parts: list[Markup] = []
    lines = [run.missing[name] for name in ("events.csv", "metrics.csv") if name in run.missing]
    if run.events or run.epochs:
        keys = [("achieved", "achieved, after each event or epoch")]
        if any(event.planned is not None for event in run.events):
            keys.append(("planned", "planned, at each event"))
        numbers = event_numbers(run) if run.events else epoch_numbers(run)
        chart = schedule_chart(run)
        parts.append(
            figure(
                "Sparsity of the pruned set", legend(*keys), chart, numbers=numbers, id_="over-time"
            )
        )
    elif not lines:
        lines.append("Nothing was pruned, and no epoch was finished.")
    parts.append(metric_charts(run))
    return Section("schedule", "Schedule", join([*parts, sentences(lines)]))


def layers_section(subject: Subject) -> Section:
    """Sparsity by layer."""
    layers = subject.pruned_set
    others = len(subject.report.layers) - len(layers)
    verb = "is" if others == 1 else "are"
    said = [f"{counted(others, 'more tensor')} {verb} not in the pruned set; the table has them."]
    said = said if others else []
    if not layers:
        said = ["No tensor belongs to the pruned set; the table has all tensors."]
    chart, numbers = sparsity_bars(layers), _layer_numbers(subject)
    caption = "Share of zeros in each layer of the pruned set"
    return Section(
        "layers",
        "Sparsity by layer",
        join([sentences(said), figure(caption, chart, numbers=numbers, id_="by-layer")]),
    )


def histograms_section(subject: Subject) -> Section:
    """How weights are spread, before and now."""
    moments = subject.moments()
    if not moments:
        said = sentences(["The pruned set has no weights to show."])
        return Section("weights", "Weights", said)
    all_of_them = _histogram("All weights of the pruned set", moments, "all-weights")
    layers = [
        _histogram(name, subject.moments_of(name), f"weights-{number}", is_name=True)
        for number, name in enumerate(subject.weights.values, start=1)
    ]
    said = sentences(_why_no_before(subject, moments))
    content = [said, all_of_them, element("div", *layers, class_="few")]
    return Section("weights", "Weights", join(content))


def masks_section(subject: Subject) -> Section:
    """Which weights are left, layer by layer."""
    parts = [
        element(
            "figure",
            element("figcaption", element("code", name)),
            mask_picture(grid, name),
            behind(mask_numbers(grid, name), f"mask-{number}"),
            id=f"mask-{number}",
        )
        for number, (name, grid) in enumerate(subject.weights.grids.items(), start=1)
    ]
    said = [] if parts else ["There is no layer to picture; name some with --mask."]
    grid = element("div", *parts, class_="few") if parts else Markup()
    return Section("masks", "Masks", join([grid, sentences(said)]))


def _histogram(
    caption: str, moments: Sequence[Moment], id_: str, *, is_name: bool = False
) -> Markup:
    said = [f"{it.name.capitalize()}: {in_words(it.histogram)}." for it in moments]
    return element(
        "figure",
        element("figcaption", element("code", caption) if is_name else caption),
        histogram_panels(moments),
        sentences(said),
        behind(histogram_numbers(moments, f"weights by value: {caption}"), id_),
        id=id_,
    )


def _why_no_before(subject: Subject, moments: Sequence[Moment]) -> list[str]:
    if len(moments) > 1 or subject.run is None:
        return []
    odd = subject.run.missing.get("histograms.json")
    if odd is not None:
        return [f"How the weights were spread before is not known: {odd}."]
    return ["What is known of the start is about other tensors than these."]


def _layer_numbers(subject: Subject) -> Numbers:
    headings = (
        "layer",
        "shape",
        "dtype",
        "parameters",
        "zeros",
        "sparsity",
        "pattern",
        "pruned set",
    )
    rows = [_layer_cells(layer) for layer in subject.report.layers]
    return Numbers("sparsity of every layer", headings, rows)


def _layer_cells(layer: Layer) -> list[Cell]:
    count = layer.count
    return [
        Cell(layer.name, is_name=True),
        Cell("x".join(map(str, layer.shape)) or "scalar"),
        Cell(layer.dtype),
        Cell(grouped(count.parameters), count.parameters),
        Cell(grouped(count.zeros), count.zeros),
        Cell(percent(count.sparsity), count.sparsity),
        Cell(layer.pattern or "-"),
        Cell("yes" if layer.prunable else "no"),
    ]
