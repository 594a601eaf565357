"""Reports as JSON, for programs. Schema 1 is a contract: fields are added, never changed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from prunetool.reports.compare import Comparison, Row
from prunetool.reports.grouping import Group, group_by_module
from prunetool.reports.statistics import Count, Layer, Macs, Report, Sums, sums_of

_SCHEMA = 1


def to_json(report: Report, *, depth: int | None = None) -> str:
    """Write a report as JSON, schema 1, without a newline at the end.

    Args:
        depth: of the modules to add layers up by, under ``groups``; None for none.
    """
    content = {
        "schema": _SCHEMA,
        "source": asdict(report.source),
        "total": _total(report),
        "layers": [_layer(layer) for layer in report.layers],
    }
    if depth is not None:
        content["groups"] = [_group(it) for it in group_by_module(report, depth)]
    return _text(content)


def comparison_to_json(comparison: Comparison) -> str:
    """Write a comparison as JSON: for each layer both counts, null where a file lacks it."""
    return _text(
        {
            "schema": _SCHEMA,
            "sources": [asdict(report.source) for report in comparison.reports],
            "total": _row(comparison.whole) | {"prunable": _row(comparison.pruned_set)},
            "layers": [{"name": row.name, **_row(row)} for row in comparison.rows],
        }
    )


def _total(report: Report) -> dict[str, Any]:
    pruned = sums_of(layer for layer in report.layers if layer.prunable)
    return _sums(sums_of(report.layers), pruned)


def _group(group: Group) -> dict[str, Any]:
    of = {"name": group.name, "layers": group.all_layers.layers}
    return of | _sums(group.all_layers, group.prunable)


def _sums(whole: Sums, pruned: Sums) -> dict[str, Any]:
    prunable = _count(pruned.count) | _sizes(pruned)
    return _count(whole.count) | {"prunable": prunable} | _sizes(whole)


def _sizes(sums: Sums) -> dict[str, Any]:
    return {
        "bytes": sums.bytes,
        "sparse_bytes": sums.sparse_bytes,
        "dead_channels": sums.dead_channels,
        **_macs(sums.macs),
    }


def _macs(macs: Macs | None) -> dict[str, int | None]:
    return {
        "macs": None if macs is None else macs.dense,
        "effective_macs": None if macs is None else macs.effective,
    }


def _row(row: Row) -> dict[str, Any]:
    counts = [None if it is None else _count(it) for it in (row.first, row.second)]
    return {"counts": counts, "difference": row.difference}


def _count(count: Count) -> dict[str, Any]:
    return {"parameters": count.parameters, "zeros": count.zeros, "sparsity": count.sparsity}


def _layer(layer: Layer) -> dict[str, Any]:
    return {
        "name": layer.name,
        "shape": list(layer.shape),
        "dtype": layer.dtype,
        **_count(layer.count),
        "masked": layer.masked,
        "pattern": layer.pattern,
        "bytes": layer.bytes,
        "sparse_bytes": layer.sparse_bytes,
        "dead_channels": list(layer.dead_channels) or None,
        "prunable": layer.prunable,
        **_macs(layer.macs),
    }


def _text(content: Mapping[str, Any]) -> str:
    return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
