"""Reports as tables for people: whole names, whatever the width."""

from __future__ import annotations

from prunetool.reports.compare import Comparison
from prunetool.reports.rendering.drawing import Drawing
from prunetool.reports.rendering.grids import comparison_grid, report_grid
from prunetool.reports.statistics import Report


def render_table(report: Report, *, depth: int | None = None) -> Drawing:
    """Show every layer of a report, then the totals over the pruned set and the whole model.

    Layers of the pruned set that have a mask are marked in the column ``mask``.

    Args:
        depth: show the modules down to it instead of layers.
    """
    return Drawing(
        lambda human, ascii_only: report_grid(
            report, depth=depth, human=human, ascii_only=ascii_only
        )
    )


def render_comparison(comparison: Comparison) -> Drawing:
    """Show the sparsity of every layer in two reports and the difference, then the totals."""
    return Drawing(lambda human, ascii_only: comparison_grid(comparison))
