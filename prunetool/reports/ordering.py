"""The order of the layers in a report."""

from __future__ import annotations

import enum
from dataclasses import replace

from prunetool.reports.compare import Comparison, compare
from prunetool.reports.statistics import Report


class Order(enum.StrEnum):
    """What to sort layers by: names from A, the largest first, or the sparsest first."""

    NAME = "name"
    SIZE = "size"
    SPARSITY = "sparsity"


def sort_layers(report: Report, order: Order) -> Report:
    """Return ``report`` with its layers in ``order``; equal ones stay in the file's order."""
    match order:
        case Order.NAME:
            layers = sorted(report.layers, key=lambda layer: layer.name)
        case Order.SIZE:
            layers = sorted(report.layers, key=lambda layer: -layer.count.parameters)
        case Order.SPARSITY:
            layers = sorted(report.layers, key=lambda layer: -layer.count.sparsity)
        case _:
            raise AssertionError(order)
    return replace(report, layers=tuple(layers))


def sort_comparison(comparison: Comparison, order: Order) -> Comparison:
    """Return ``comparison`` with the layers of the first report in ``order``, then the others."""
    first, second = (sort_layers(report, order) for report in comparison.reports)
    return compare(first, second, comparison.changes)
