"""What a page or a plot is about: the report, the weights, and the run where there is one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from prunetool.checkpoints.globs import require_match
from prunetool.checkpoints.progress import Advance, unseen
from prunetool.errors import OptionError
from prunetool.pruning.histograms import Histogram, ValueCounts
from prunetool.reports.counting.counting import Chosen
from prunetool.reports.pictures.histogramchart import Moment, same_bins
from prunetool.reports.pictures.runfiles import RunFiles, read_run, run_of
from prunetool.reports.pictures.weights import Weights, look_at
from prunetool.reports.statistics import Layer, Report

_PICTURED = 3  # layers that are pictured one by one where none is named
_MATRIX = 2  # dims


@dataclass(frozen=True)
class Subject:
    """What there is to show.

    Attributes:
        path: as the user gave it.
        report: of the checkpoint.
        weights: of its pruned set, and of the layers that are pictured.
        run: None for a checkpoint that is in no run folder.
    """

    path: Path
    report: Report
    weights: Weights
    run: RunFiles | None

    @property
    def pruned_set(self) -> list[Layer]:
        """The layers of the pruned set, in the report's order."""
        return [layer for layer in self.report.layers if layer.prunable]

    def moments(self) -> list[Moment]:
        """Say how the pruned set's weights are spread: before, where that is known, and now."""
        if not self.report.prunable.parameters:
            return []
        before = self.run.start_of_all if self.run is not None and self._is_all_known() else None
        return _moments(before, self.weights.everything)

    def moments_of(self, name: str) -> list[Moment]:
        """Say the same of a layer that is pictured."""
        before = self.run.start.get(name) if self.run is not None else None
        return _moments(before, self.weights.values[name])

    def _is_all_known(self) -> bool:
        names = {layer.name for layer in self.pruned_set}
        return self.run is not None and names == self.run.start.keys()


def look(
    chosen: Chosen,
    report: Report,
    path: Path,
    *,
    masks: Sequence[str] | None = None,
    advance: Advance = unseen,
) -> Subject:
    """Read the weights, and the files of the run that ``path`` belongs to, if any.

    Args:
        chosen: the parameters of the checkpoint.
        report: on them.
        path: as the user gave it.
        masks: globs over the names of the layers to picture; None for the largest matrices of the
            pruned set, an empty list for none.
        advance: told the bytes gone through.

    Raises:
        OptionError: if a glob matches nothing.
        CheckpointError: if the weights cannot be read.
    """
    together = {layer.name for layer in report.layers if layer.prunable}
    pictured = _largest(report) if masks is None else _named(masks, chosen)
    tensors = [it for it in chosen.tensors if it.name in together | set(pictured)]
    weights = look_at(tensors, together=together, pictured=pictured, advance=advance)
    folder = run_of(path)
    return Subject(path, report, weights, None if folder is None else read_run(folder))


def _moments(before: Histogram | None, now: ValueCounts) -> list[Moment]:
    if before is None:
        return [Moment("now", now.histogram())]
    reach = max(before.reach, now.reach)
    return same_bins([Moment("before", before), Moment("now", now.histogram(reach))])


def _largest(report: Report) -> list[str]:
    matrices = [
        it
        for it in report.layers
        if it.prunable and len(it.shape) >= _MATRIX and it.count.parameters
    ]
    largest = sorted(matrices, key=lambda layer: -layer.count.parameters)[:_PICTURED]
    return [layer.name for layer in matrices if layer in largest]


def _named(globs: Sequence[str], chosen: Chosen) -> list[str]:
    if not globs:
        return []
    names = [it.name for it in chosen.tensors if it.dtype.is_floating_point and it.elements]
    if not names:
        raise OptionError(f"--mask {globs[0]}: there is no floating tensor to picture")
    found = {name for glob in globs for name in require_match(glob, names, option="--mask")}
    return [name for name in names if name in found]
