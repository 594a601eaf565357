"""Which round a run is in, and what each has come to so far; it travels in every checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from prunetool.errors import OptionError
from prunetool.training.recording.epoch_record import EpochRecord


@dataclass(frozen=True)
class RoundRow:
    """A round as of its latest epoch.

    Attributes:
        number: from 1.
        epoch: finished epochs.
        step: optimizer steps.
        sparsity: pruned share of the targets, in [0, 1].
        metrics: the few that tell how good its weights are.
    """

    number: int
    epoch: int
    step: int
    sparsity: float
    metrics: dict[str, float] = field(default_factory=dict)

    @property
    def density(self) -> float:
        """Share of the targets that is left, in [0, 1]."""
        return 1 - self.sparsity


@dataclass(frozen=True)
class Pruning:
    """What happened between two rounds; the attributes are those of the callback's own events.

    Attributes:
        epoch: finished epochs of the round before.
        step: optimizer steps of it.
        planned: the sparsity aimed at, in [0, 1); None where an amount was removed.
        achieved: the sparsity reached.
    """

    epoch: int
    step: int
    planned: float | None
    achieved: float


class RoundBook:
    """The state of the rounds.

    Args:
        count: rounds of the run; 1 where it has none.
        monitor: name of the metric that counts, or None.
        number: the round to begin with, from 1.
    """

    def __init__(self, count: int, *, monitor: str | None = None, number: int = 1) -> None:
        self.count = count
        self.number = number
        self._monitor = monitor
        self.prunings: list[Pruning] = []
        self._rows: dict[int, RoundRow] = {}

    @property
    def is_last(self) -> bool:
        """Whether no round follows: only its checkpoints are at the final sparsity."""
        return self.number == self.count

    @property
    def rows(self) -> list[RoundRow]:
        """The rounds so far, in order."""
        return [self._rows[number] for number in sorted(self._rows)]

    def require_trained(self) -> None:
        """Complain about a round that ended before its first epoch did.

        Raises:
            OptionError: there is nothing to prune by then.
        """
        if self.number not in self._rows:
            raise OptionError(
                f"round {self.number} of {self.count}: ended without a finished epoch; "
                f"train longer (--max-epochs, --max-steps, --trainer max_time)"
            )

    def add(self, record: EpochRecord) -> None:
        """Take note of a finished epoch of the current round."""
        metrics = telling_metrics(record, self._monitor)
        self._rows[self.number] = RoundRow(
            self.number, record.epoch, record.step, record.sparsity, metrics
        )

    def note_pruning(self, *, planned: float | None, achieved: float) -> None:
        """Take note of the pruning after the current round."""
        row = self._rows[self.number]
        self.prunings.append(Pruning(row.epoch, row.step, planned, achieved))

    def state_dict(self) -> dict[str, Any]:
        """What a resumed run needs to go on."""
        return {
            "round": self.number,
            "rows": [asdict(row) for row in self.rows],
            "prunings": [asdict(pruning) for pruning in self.prunings],
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what :meth:`state_dict` gave; a run of 0.1.0 had no rounds."""
        self.number = state.get("round", 1)
        self._rows = {row["number"]: RoundRow(**row) for row in state.get("rows", [])}
        self.prunings = [Pruning(**pruning) for pruning in state.get("prunings", [])]


def telling_metrics(record: EpochRecord, monitor: str | None) -> dict[str, float]:
    """Choose what tells how good an epoch's weights are.

    The monitored metric, or else those of the validation, or else a training loss, or whatever
    was logged first.
    """
    metrics = record.metrics
    if monitor is not None and monitor in metrics:
        return {monitor: metrics[monitor]}
    validated = {name: metrics[name] for name in metrics if name in record.validated}
    if validated:
        return validated
    losses = [name for name in metrics if "loss" in name]
    return {name: metrics[name] for name in (losses or list(metrics))[:1]}
