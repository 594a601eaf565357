"""Reports and comparisons as grids."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from prunetool.checkpoints.names import printable
from prunetool.reports.compare import Comparison
from prunetool.reports.compare import Row as ComparedRow
from prunetool.reports.grouping import group_by_module
from prunetool.reports.rendering.cells import (
    NOTHING,
    bar,
    dead_text,
    note_text,
    percent,
    quantity,
    shape_text,
)
from prunetool.reports.rendering.grid import Column, Grid, Row
from prunetool.reports.statistics import Count, Layer, Macs, Report, Sums

_BAR = 10
# Ranks: what is left out first where there is little room has the highest one.
_COLUMNS = (
    Column("shape", rank=1, title_of_totals="tensors"),
    Column("parameters", right=True),
    Column("zeros", right=True),
    Column("sparsity", right=True),
    Column("", rank=4),
    Column("pattern", rank=2),
    Column("dead", rank=3, right=True),
    Column("dtype", rank=10),
    Column("bytes", rank=8, right=True),
    Column("sparse bytes", rank=7, right=True),
    Column("MACs", rank=6, right=True),
    Column("effective MACs", rank=5, right=True),
    Column("mask", rank=9),
    Column("note"),
)


def report_grid(
    report: Report, *, depth: int | None = None, human: bool = False, ascii_only: bool = False
) -> Grid:
    """Show every layer, or every module, and the totals over the pruned set and the whole model.

    Args:
        depth: of the modules that layers are added up by; None for none.
        human: with sizes in units and bars, for a terminal; or else plain numbers.
        ascii_only: draw bars in ASCII.
    """

    def sums_row(name: str, sums: Sums) -> Row:
        of = f"{sums.layers} tensor{'' if sums.layers == 1 else 's'}"
        dead = str(sums.dead_channels)
        graph = drawn(sums.count)
        return Row(name, (of, *_counted(sums.count), graph, "", dead, "", *sizes(sums), "", ""))

    def drawn(count: Count) -> str:
        return bar(count, width=_BAR, ascii_only=ascii_only) if human else ""

    def sizes(it: Layer | Sums) -> tuple[str, ...]:
        stored = (quantity(size, "B", human=human) for size in (it.bytes, it.sparse_bytes))
        return *stored, *_macs(it.macs, human=human)

    def layer_row(layer: Layer) -> Row:
        note = note_text(layer)
        cells = (
            shape_text(layer.shape),
            *_counted(layer.count),
            drawn(layer.count),
            layer.pattern or NOTHING,
            dead_text(layer),
            layer.dtype,
            *sizes(layer),
            "yes" if layer.masked else "",
            note,
        )
        return Row(printable(layer.name), cells, alarming=bool(note))

    totals = (
        sums_row("pruned set", report.prunable_sums),
        sums_row(report.whole_name, report.sums),
    )
    if depth is None:
        return Grid("layer", _COLUMNS, tuple(layer_row(it) for it in report.layers), totals)
    groups = group_by_module(report, depth)
    rows = tuple(sums_row(printable(it.name), it.all_layers) for it in groups)
    columns = tuple(
        replace(it, title="tensors" if it.title == "shape" else it.title) for it in _COLUMNS
    )
    return Grid("module", columns, rows, totals)


_COMPARED = (
    Column("parameters", right=True),
    Column("first", right=True),
    Column("second", right=True),
    Column("difference", right=True),
    Column("regrown", right=True),
    Column("pruned", right=True),
    Column("change", right=True),
)
_OTHER_SHAPE = "other shape"


def comparison_grid(comparison: Comparison) -> Grid:
    """Show how every layer differs in two reports, then the totals.

    After the sparsity of both and the difference: the weights that came back (``regrown``), those
    that are newly pruned, and the largest change of one that is zero in neither.
    """

    def rows(of: Sequence[ComparedRow], *, unknown: str) -> tuple[Row, ...]:
        return tuple(Row(printable(it.name), _compared(it, unknown)) for it in of)

    totals = rows((comparison.pruned_set, comparison.whole), unknown=NOTHING)
    return Grid("layer", _COMPARED, rows(comparison.rows, unknown=_OTHER_SHAPE), totals)


def _compared(row: ComparedRow, unknown: str) -> tuple[str, ...]:
    both = (row.first, row.second)
    sizes = dict.fromkeys(str(it.parameters) for it in both if it is not None)
    difference = NOTHING if row.difference is None else f"{100 * row.difference:+.2f} %"
    sparsities = (NOTHING if it is None else percent(it.sparsity) for it in both)
    changes = (NOTHING if None in both else unknown, NOTHING, NOTHING)
    if row.change is not None:
        change = row.change
        changes = (str(change.regrown), str(change.newly_pruned), f"{change.largest:.3g}")
    return "/".join(sizes), *sparsities, difference, *changes


def _counted(count: Count) -> tuple[str, str, str]:
    return str(count.parameters), str(count.zeros), percent(count.sparsity)


def _macs(macs: Macs | None, *, human: bool) -> tuple[str, str]:
    if macs is None:
        return "", ""
    return quantity(macs.dense, "", human=human), quantity(macs.effective, "", human=human)
