"""Reports as CSV (RFC 4180): a header, and one row for each layer or module; no totals.

Columns are named as the keys of the JSON and are added at the end, never changed. What is not
known is left empty; sizes are joined by ``x``.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any

from prunetool.reports.compare import Comparison
from prunetool.reports.counting.changes import Change
from prunetool.reports.grouping import group_by_module
from prunetool.reports.statistics import Count, Layer, Macs, Report, Sums

_LAYER = (
    *("name", "shape", "dtype", "parameters", "zeros", "sparsity", "masked", "pattern", "bytes"),
    *("sparse_bytes", "dead_channels_0", "dead_channels_1", "prunable", "macs", "effective_macs"),
)
_MODULE = (
    *("name", "layers", "parameters", "zeros", "sparsity", "bytes", "sparse_bytes"),
    *("dead_channels", "macs", "effective_macs"),
)
_COUNT = ("parameters", "zeros", "sparsity")


def to_csv(report: Report, *, depth: int | None = None) -> str:
    """Write a row for each layer, or for each module down to ``depth``; lines end with CR LF."""
    if depth is None:
        return _text(_LAYER, (_layer(it) for it in report.layers))
    groups = group_by_module(report, depth)
    return _text(_MODULE, ([it.name, *_sums(it.all_layers)] for it in groups))


def comparison_to_csv(comparison: Comparison) -> str:
    """Write a row for each layer of either report."""
    header = ("name", *(f"{which}_{it}" for which in ("first", "second") for it in _COUNT))
    rows = (
        [
            row.name,
            *_optional(row.first),
            *_optional(row.second),
            row.difference,
            *_change(row.change),
        ]
        for row in comparison.rows
    )
    return _text((*header, "difference", "regrown", "newly_pruned", "largest_change"), rows)


def _layer(layer: Layer) -> list[Any]:
    return [
        layer.name,
        "x".join(str(size) for size in layer.shape),
        layer.dtype,
        *_count(layer.count),
        _flag(layer.masked),
        layer.pattern,
        layer.bytes,
        layer.sparse_bytes,
        *(layer.dead_channels or (None, None)),
        _flag(layer.prunable),
        *_macs(layer.macs),
    ]


def _sums(it: Sums) -> list[Any]:
    sizes = (it.bytes, it.sparse_bytes, it.dead_channels)
    return [it.layers, *_count(it.count), *sizes, *_macs(it.macs)]


def _count(count: Count) -> tuple[int, int, float]:
    return count.parameters, count.zeros, count.sparsity


def _optional(count: Count | None) -> Sequence[float | None]:
    return (None, None, None) if count is None else _count(count)


def _change(change: Change | None) -> Sequence[float | None]:
    if change is None:
        return None, None, None
    return change.regrown, change.newly_pruned, change.largest


def _macs(macs: Macs | None) -> tuple[int | None, int | None]:
    return (None, None) if macs is None else (macs.dense, macs.effective)


def _flag(value: bool) -> str:
    return "true" if value else "false"


def _text(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()
