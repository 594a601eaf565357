"""How sparse the run was when, and how good: charts over the same steps, one below the other."""

from __future__ import annotations

from math import isfinite

from prunetool.reports.pictures.axes import (
    Axis,
    axis_over,
    counted,
    percent,
    share_axis,
    time_axis,
)
from prunetool.reports.pictures.figures import Cell, Numbers, figure
from prunetool.reports.pictures.linechart import Line, Point, Shape, line_chart
from prunetool.reports.pictures.markup import Markup, element, join
from prunetool.reports.pictures.runfiles import Epoch, Event, RunFiles

_SHOWN = 2  # metrics that are shown without being asked for
_OF_VALIDATION = ("val_", "val/", "valid", "test_", "test/")


def steps_axis(run: RunFiles) -> Axis:
    """Give the axis that all charts over time share."""
    steps = [it.at for it in run.events] + [it.at for it in run.epochs]
    name = "optimizer steps, all rounds together" if run.has_rounds else "optimizer steps"
    return time_axis(steps, name)


def schedule_chart(run: RunFiles) -> Markup:
    """Draw the achieved sparsity as the steps that it goes in, and what was planned at each."""
    lines = [
        Line("achieved", achieved_points(run), Shape.STEPS),
        Line("planned", _planned(run), Shape.POINTS),
    ]
    end = lines[0].points[-1]
    label = (
        f"Sparsity over {steps_axis(run).name}: {counted(len(run.events), 'event')}, "
        f"{percent(end.y)} achieved in the end"
    )
    return line_chart(
        lines, x=steps_axis(run), y=share_axis("sparsity"), label=label, kind="schedule"
    )


def metric_charts(run: RunFiles) -> Markup:
    """Draw the monitored metric, or those of the validation; the others can be opened."""
    first = shown_first(run)
    names = [*first, *(name for name in run.metrics if name not in first)]
    charts = [_metric(run, name, number) for number, name in enumerate(names, start=1)]
    shown, others = charts[: len(first)], charts[len(first) :]
    if others:
        summary = element("summary", f"Other metrics: {', '.join(names[len(first) :])}")
        shown.append(element("details", summary, *others, class_="others"))
    return join(shown)


def shown_first(run: RunFiles) -> list[str]:
    """Choose the metrics that tell most: the monitored one, and those of the validation."""
    monitored = monitored_metric(run)
    validated = [name for name in run.metrics if name.startswith(_OF_VALIDATION)]
    known = [name for name in (monitored, *validated, *run.metrics[:1]) if name in run.metrics]
    return list(dict.fromkeys(known))[: _SHOWN if validated or monitored else 1]


def monitored_metric(run: RunFiles) -> str | None:
    """Say which metric decides on ``best.ckpt``: the NAME of ``NAME:min`` in the settings."""
    for settings in (run.settings, run.settings.get("run"), run.settings.get("pruning")):
        monitor = settings.get("monitor") if isinstance(settings, dict) else None
        if isinstance(monitor, str):
            return monitor.rpartition(":")[0] or monitor
    return None


def event_numbers(run: RunFiles) -> Numbers:
    """Give the events as a table."""
    headings = ("event", "epoch", "step", "planned", "achieved")
    return Numbers(
        "planned and achieved sparsity", headings, [_event_cells(it) for it in run.events]
    )


def epoch_numbers(run: RunFiles) -> Numbers:
    """Give the sparsity after each epoch, where the events are not known."""
    return _by_epoch(run, "sparsity after each epoch", "sparsity")


def achieved_points(run: RunFiles) -> list[Point]:
    """Join what events and epochs say; where no weight was zero at the start, none was pruned."""
    start = run.start_of_all
    begin = {0: Point(0, 0.0, "start")} if start is not None and not start.zeros else {}
    ends = {
        epoch.at: Point(epoch.at, epoch.sparsity, _at_epoch(run, epoch)) for epoch in run.epochs
    }
    events = {
        it.at: Point(it.at, it.achieved, f"step {it.at}: achieved {percent(it.achieved)}")
        for it in run.events
    }
    return [point for _, point in sorted((begin | ends | events).items())]


def _planned(run: RunFiles) -> list[Point]:
    return [
        Point(it.at, it.planned, f"step {it.at}: planned {percent(it.planned)}")
        for it in run.events
        if it.planned is not None
    ]


def _metric(run: RunFiles, name: str, number: int) -> Markup:
    points = [
        Point(it.at, it.metrics[name], f"{_when(run, it)}: {name} {it.metrics[name]:g}")
        for it in run.epochs
        if name in it.metrics
    ]
    values = [point.y for point in points]
    y = axis_over(values, "", about=3)
    finite = [value for value in values if isfinite(value)]
    ends = f"from {finite[0]:g} to {finite[-1]:g}" if finite else "no finite value"
    label = f"{name} over {steps_axis(run).name}: {ends}"
    numbers = _by_epoch(run, f"{name} after each epoch", name)
    chart = line_chart([Line("metric", points)], x=steps_axis(run), y=y, label=label, kind="metric")
    said = f"{name} (monitored)" if name == monitored_metric(run) else name
    return figure(said, chart, numbers=numbers, id_=f"metric-{number}")


def _by_epoch(run: RunFiles, caption: str, column: str) -> Numbers:
    headings = [*(["round"] if run.has_rounds else []), "epoch", "step", column]
    return Numbers(caption, headings, [_epoch_cells(run, it, column) for it in run.epochs])


def _epoch_cells(run: RunFiles, epoch: Epoch, column: str) -> list[Cell]:
    place = [_whole(epoch.round)] if run.has_rounds else []
    place += [_whole(epoch.epoch), _whole(epoch.step)]
    if column in epoch.metrics:
        return [*place, Cell(f"{epoch.metrics[column]:.6g}", epoch.metrics[column])]
    if column == "sparsity":
        return [*place, Cell(percent(epoch.sparsity), epoch.sparsity)]
    return [*place, Cell("-")]


def _event_cells(event: Event) -> list[Cell]:
    planned = Cell("-") if event.planned is None else Cell(percent(event.planned), event.planned)
    place = [_whole(it) for it in (event.number, event.epoch, event.step)]
    return [*place, planned, Cell(percent(event.achieved), event.achieved)]


def _whole(number: int) -> Cell:
    return Cell(str(number), number)


def _when(run: RunFiles, epoch: Epoch) -> str:
    of_round = f"round {epoch.round}, " if run.has_rounds else ""
    return f"{of_round}epoch {epoch.epoch}, step {epoch.at}"


def _at_epoch(run: RunFiles, epoch: Epoch) -> str:
    return f"{_when(run, epoch)}: {percent(epoch.sparsity)}"
