"""Two checkpoints side by side: how each layer differs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from prunetool.reports.counting.changes import Change
from prunetool.reports.statistics import Count, Layer, Report, total_of

_NAMES_SHOWN = 5


@dataclass(frozen=True)
class Row:
    """One layer of two files; None where a file does not have it.

    Attributes:
        change: of its elements; None where they cannot be told apart one by one: the layer is in
            one file only, or has another shape in the other.
    """

    name: str
    first: Count | None
    second: Count | None
    change: Change | None = None

    @property
    def difference(self) -> float | None:
        """Sparsity of the second minus that of the first, in [-1, 1]; None without both."""
        if not (self.first and self.second and self.first.parameters and self.second.parameters):
            return None
        return self.second.sparsity - self.first.sparsity


@dataclass(frozen=True)
class Comparison:
    """Two reports, and their layers matched by name: in the first's order, then the second's.

    Attributes:
        pruned_set: the layers of one pruned set in both: that of the first report, or of the
            second if only that has masks. A finalized file has no masks any more. A layer that only
            one of them has belongs to it if it does there.
        whole: all layers of each. The changes of both add up those that are known.
    """

    reports: tuple[Report, Report]
    rows: tuple[Row, ...]
    pruned_set: Row
    whole: Row

    @property
    def changes(self) -> dict[str, Change]:
        """Those that are known, by the name of the layer."""
        return {row.name: row.change for row in self.rows if row.change is not None}

    @property
    def second(self) -> Report:
        """The second report, its pruned set being that of the comparison."""
        names = _names_of_pruned_set(*self.reports)
        report = self.reports[1]
        layers = tuple(replace(it, prunable=it.name in names) for it in report.layers)
        return replace(report, layers=layers)

    def why_unknown(self, name: str) -> str:
        """Say why there is no change of a layer of the second report."""
        ours, theirs = (_by_name(report).get(name) for report in self.reports)
        old = self.reports[0].source.path
        if ours is None or theirs is None:
            return f"{name} is not in {old}"
        return f"{name} is {_shape(ours)} in {old} and {_shape(theirs)} here"

    def notes(self) -> Iterator[str]:
        """Say which layers are not compared, and why."""
        first, second = (_by_name(report) for report in self.reports)
        for here, there, report in (
            (first, second, self.reports[0]),
            (second, first, self.reports[1]),
        ):
            if only := [name for name in here if name not in there]:
                yield f"{report.source.path}: {len(only)} only there: {_some(only)}"
        both = (name for name in first if name in second)
        other = [name for name in both if first[name].shape != second[name].shape]
        if other:
            shapes = (f"{it} {_shape(first[it])} and {_shape(second[it])}" for it in other)
            yield f"{len(other)} of another shape, so not compared: {_some(shapes)}"


def compare(
    first: Report, second: Report, changes: Mapping[str, Change] | None = None
) -> Comparison:
    """Match the layers of two reports by name.

    Args:
        changes: from the first to the second, by the name of the layer, as far as known.
    """
    known = changes or {}
    ours = {layer.name: layer.count for layer in first.layers}
    theirs = {layer.name: layer.count for layer in second.layers}
    rows = tuple(
        Row(name, ours.get(name), theirs.get(name), known.get(name)) for name in ours | theirs
    )
    name = first.whole_name if not first.complete else second.whole_name
    return Comparison(
        reports=(first, second),
        rows=rows,
        pruned_set=_of_pruned_set(first, second, known),
        whole=Row(name, first.total, second.total, total_change(known.values())),
    )


def total_change(changes: Iterable[Change]) -> Change | None:
    """Add changes up; None of none."""
    known = list(changes)
    if not known:
        return None
    return Change(
        regrown=sum(it.regrown for it in known),
        newly_pruned=sum(it.newly_pruned for it in known),
        largest=max(it.largest for it in known),
    )


def _of_pruned_set(first: Report, second: Report, changes: Mapping[str, Change]) -> Row:
    names = _names_of_pruned_set(first, second)
    ours, theirs = (
        total_of(layer for layer in report.layers if layer.name in names)
        for report in (first, second)
    )
    known = total_change(it for name, it in changes.items() if name in names)
    return Row("pruned set", ours, theirs, known)


def _names_of_pruned_set(first: Report, second: Report) -> set[str]:
    decides, other = first, second
    if first.source.masks is None and second.source.masks is not None:
        decides, other = second, first
    # What only one of them has, its own report decides.
    known = {layer.name for layer in decides.layers}
    alone = (layer for layer in other.layers if layer.name not in known)
    return {layer.name for layer in (*decides.layers, *alone) if layer.prunable}


def _by_name(report: Report) -> dict[str, Layer]:
    return {layer.name: layer for layer in report.layers}


def _shape(layer: Layer) -> str:
    return "x".join(map(str, layer.shape)) or "scalar"


def _some(names: Iterable[str]) -> str:
    first, *others = names
    shown = [first, *others[: _NAMES_SHOWN - 1]]
    return ", ".join(shown) + (", ..." if len(others) >= _NAMES_SHOWN else "")
