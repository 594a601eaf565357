"""Two checkpoints side by side: how the sparsity of each layer differs."""

from __future__ import annotations

from dataclasses import dataclass

from prunetool.reports.statistics import Count, Report, total_of


@dataclass(frozen=True)
class Row:
    """One layer of two files; None where a file does not have it."""

    name: str
    first: Count | None
    second: Count | None

    @property
    def difference(self) -> float | None:
        """Sparsity of the second minus that of the first, in [-1, 1]; None without both."""
        if self.first is None or self.second is None:
            return None
        return self.second.sparsity - self.first.sparsity


@dataclass(frozen=True)
class Comparison:
    """Two reports, and their layers matched by name: in the first's order, then the second's.

    Attributes:
        pruned_set: the layers of one pruned set in both: that of the first report, or of the
            second if only that has masks. A finalized file has no masks any more.
        whole: all layers of each.
    """

    reports: tuple[Report, Report]
    rows: tuple[Row, ...]
    pruned_set: Row
    whole: Row


def compare(first: Report, second: Report) -> Comparison:
    """Match the layers of two reports by name."""
    ours = {layer.name: layer.count for layer in first.layers}
    theirs = {layer.name: layer.count for layer in second.layers}
    rows = tuple(Row(name, ours.get(name), theirs.get(name)) for name in ours | theirs)
    return Comparison(
        reports=(first, second),
        rows=rows,
        pruned_set=_of_pruned_set(first, second),
        whole=Row("whole model", first.total, second.total),
    )


def _of_pruned_set(first: Report, second: Report) -> Row:
    decides = second if first.source.masks is None and second.source.masks else first
    names = {layer.name for layer in decides.layers if layer.prunable}
    ours, theirs = (
        total_of(layer for layer in report.layers if layer.name in names)
        for report in (first, second)
    )
    return Row("pruned set", ours, theirs)
