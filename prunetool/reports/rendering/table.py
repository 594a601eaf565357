"""Reports as tables for people: whole names, whatever the width."""

from __future__ import annotations

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from prunetool.reports.compare import Comparison, Row
from prunetool.reports.counting.changes import Change
from prunetool.reports.statistics import Count, Layer, Report

_NOTHING = "-"


def render_table(report: Report) -> Table:
    """Show every layer of a report, then the totals over the pruned set and the whole model.

    Layers of the pruned set that have a mask are marked in the column ``mask``.
    """
    table = _table(("shape", "left"), ("parameters", "right"), ("zeros", "right"))
    table.add_column("sparsity", justify="right", no_wrap=True)
    table.add_column("pattern", no_wrap=True)
    table.add_column("mask", no_wrap=True)
    for layer in report.layers:
        table.add_row(*_layer_cells(layer))
    table.add_section()
    for label, tensors, count in _totals(report):
        of = f"{tensors} tensor" if tensors == 1 else f"{tensors} tensors"
        table.add_row(Text(label), of, *_count_cells(count), "", "")
    return table


def render_comparison(comparison: Comparison) -> Table:
    """Show how every layer differs in two reports, then the totals.

    After the sparsity of both and the difference: the weights that came back (``regrown``), those
    that are newly pruned, and the largest change of one that is zero in neither.
    """
    table = _table(("parameters", "right"), ("first", "right"), ("second", "right"))
    for name in ("difference", "regrown", "pruned", "change"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in comparison.rows:
        unlike = row.difference is not None and row.change is None
        table.add_row(*_comparison_cells(row), *_change_cells(row.change, unlike=unlike))
    table.add_section()
    for row in (comparison.pruned_set, comparison.whole):
        table.add_row(*_comparison_cells(row), *_change_cells(row.change))
    return table


def _table(*columns: tuple[str, str]) -> Table:
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    # The only column that may be folded: the others are short, and read wrongly in two lines.
    table.add_column("layer", overflow="fold", min_width=12)
    for name, justify in columns:
        table.add_column(name, justify="right" if justify == "right" else "left", no_wrap=True)
    return table


def _totals(report: Report) -> list[tuple[str, int, Count]]:
    whole = "whole model" if report.complete else "all selected"
    pruned = sum(layer.prunable for layer in report.layers)
    return [
        ("pruned set", pruned, report.prunable),
        (whole, len(report.layers), report.total),
    ]


def _layer_cells(layer: Layer) -> tuple[Text | str, ...]:
    return (
        Text(layer.name),
        "x".join(str(size) for size in layer.shape) or "scalar",
        *_count_cells(layer.count),
        layer.pattern or _NOTHING,
        "yes" if layer.masked else "",
    )


def _count_cells(count: Count) -> tuple[str, str, str]:
    return str(count.parameters), str(count.zeros), _percent(count.sparsity)


def _comparison_cells(row: Row) -> tuple[Text | str, ...]:
    sizes = dict.fromkeys(str(it.parameters) for it in (row.first, row.second) if it is not None)
    difference = _NOTHING if row.difference is None else f"{100 * row.difference:+.2f} %"
    return (
        Text(row.name),
        "/".join(sizes),
        *(_NOTHING if it is None else _percent(it.sparsity) for it in (row.first, row.second)),
        difference,
    )


def _change_cells(change: Change | None, *, unlike: bool = False) -> tuple[str, str, str]:
    """Show a change; ``unlike``: it is not known since the shapes are not the same."""
    if change is None:
        return "other shape" if unlike else _NOTHING, _NOTHING, _NOTHING
    return str(change.regrown), str(change.newly_pruned), f"{change.largest:.3g}"


def _percent(fraction: float) -> str:
    return f"{100 * fraction:.2f} %"
