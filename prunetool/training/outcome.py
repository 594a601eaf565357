"""What a run came to, compared with what was asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from prunetool.training.options import TrainOptions
from prunetool.training.run_folder import RunFolder

if TYPE_CHECKING:
    from prunetool.callback import ModelPruning


@dataclass(frozen=True)
class Outcome:
    """The numbers of the closing line.

    Attributes:
        folder: where everything is.
        asked: sparsity asked for, in [0, 1].
        planned: elements that this means; None where a function decides on each event.
        pruned: elements pruned.
        elements: elements of all targets.
    """

    folder: RunFolder
    asked: float
    planned: int | None
    pruned: int
    elements: int

    @property
    def achieved(self) -> float:
        """Pruned share of the targets, in [0, 1]."""
        return self.pruned / self.elements if self.elements else 0.0

    @property
    def is_short(self) -> bool:
        """Whether fewer elements were pruned than asked for."""
        return self.planned is not None and self.pruned < self.planned

    @property
    def is_rounded(self) -> bool:
        """Whether whole channels made the plan differ from what was asked for."""
        if self.planned is None:
            return False
        return abs(self.asked * self.elements - self.planned) >= 1

    @property
    def line(self) -> str:
        """For scripts: ``sparsity asked 0.900000 achieved 0.900000 pruned 9 of 10``."""
        return (
            f"sparsity asked {self.asked:.6f} achieved {self.achieved:.6f} "
            f"pruned {self.pruned} of {self.elements}"
        )


def outcome_of(pruning: ModelPruning, options: TrainOptions, folder: RunFolder) -> Outcome:
    """Read the callback's counts after a fit."""
    return Outcome(
        folder=folder,
        asked=_asked(pruning, options),
        planned=pruning.planned_elements,
        pruned=pruning.pruned_elements,
        elements=pruning.target_elements,
    )


def _asked(pruning: ModelPruning, options: TrainOptions) -> float:
    """What the events of ``--amount`` compound to; where a function decides, what it did."""
    if options.sparsity is not None:
        return float(options.sparsity)
    if pruning.planned_elements is None:
        return pruning.achieved_sparsity
    return pruning.planned_elements / pruning.target_elements
