"""What a run came to, compared with what was asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from prunetool.training.options.options import TrainOptions
from prunetool.training.recording.events_file import Event
from prunetool.training.recording.run_folder import RunFolder
from prunetool.training.round_book import RoundBook, RoundRow

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
        history: every pruning, in order.
        rounds: every round of a lottery ticket, in order; none for another run.
    """

    folder: RunFolder
    asked: float
    planned: int | None
    pruned: int
    elements: int
    history: Sequence[Event] = ()
    rounds: Sequence[RoundRow] = ()

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


def outcome_of(
    pruning: ModelPruning,
    options: TrainOptions,
    folder: RunFolder,
    *,
    book: RoundBook,
) -> Outcome:
    """Read the callback's counts after the last fit."""
    # Between rounds the callback is told what to remove, and does so to the element: nothing is
    # planned ahead that could be missed.
    in_rounds = book.count > 1
    planned = pruning.pruned_elements if in_rounds else pruning.planned_elements
    return Outcome(
        folder=folder,
        asked=_asked(pruning, options, planned),
        planned=planned,
        pruned=pruning.pruned_elements,
        elements=pruning.target_elements,
        history=history_of(pruning, book),
        rounds=book.rows if in_rounds else (),
    )


def history_of(pruning: ModelPruning, book: RoundBook) -> Sequence[Event]:
    """Every pruning so far, in order: those between rounds, or those of the one training."""
    return book.prunings if book.count > 1 else pruning.history


def _asked(pruning: ModelPruning, options: TrainOptions, planned: int | None) -> float:
    """What the events of ``--amount`` compound to; where a function decides, what it did."""
    if options.sparsity is not None:
        return float(options.sparsity)
    if planned is None:
        return pruning.achieved_sparsity
    return planned / pruning.target_elements
