"""How far a training is: a live line on a terminal, one plain line an epoch elsewhere."""

from __future__ import annotations

import sys
from typing import Any

from lightning.pytorch import Callback
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from prunetool.training.recording.epoch_record import EpochRecord

_METRICS_SHOWN = 6


class ProgressCallback(Callback):
    """Shows progress on stderr.

    Args:
        pruning: the ModelPruning callback, for the current sparsity.
        quiet: show nothing.
        rounds: how many trainings there are.
        number: which of them this is, from 1.
        target: the sparsity asked for; None where that is open.
    """

    def __init__(
        self,
        pruning: Any,
        *,
        quiet: bool,
        rounds: int = 1,
        number: int = 1,
        target: float | None = None,
    ) -> None:
        self._pruning = pruning
        self._target = target
        self._rounds, self._number = rounds, number
        self._quiet = quiet
        self._console = Console(
            stderr=True,
            markup=False,
            emoji=False,
            highlight=False,
            force_terminal=None if sys.stderr.isatty() else False,  # whatever FORCE_COLOR says
        )
        self._progress: Progress | None = None
        self._task: Any = None
        self._epochs: int | None = None

    def epoch_done(self, record: EpochRecord) -> None:
        """Print a finished epoch's line, above the live line if there is one."""
        if self._quiet:
            return
        line = epoch_line(record, epochs=self._epochs, rounds=self._rounds, target=self._target)
        console = self._progress.console if self._progress is not None else self._console
        # On a terminal a long line is folded between words; elsewhere it stays one line.
        console.print(Text(line), soft_wrap=not console.is_terminal)

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Open the live line."""
        limit = trainer.max_epochs
        self._epochs = limit if limit is not None and limit > 0 else None
        if self._quiet or not self._console.is_terminal or not trainer.is_global_zero:
            return
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[values]}", markup=False),
            console=self._console,
            transient=True,
        )
        self._task = self._progress.add_task("", total=None, values="")
        self._progress.start()

    def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
        """Begin the count of batches anew."""
        if self._progress is not None:
            self._progress.reset(self._task, total=_finite(trainer.num_training_batches))
            self._update(trainer, completed=0)

    def on_train_batch_end(
        self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Move on."""
        if self._progress is not None:
            self._update(trainer, completed=batch_idx + 1)

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        """Take the live line away."""
        self._close()

    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
        """Take the live line away: a traceback follows."""
        self._close()

    def _update(self, trainer: Any, *, completed: int) -> None:
        assert self._progress is not None
        self._progress.update(
            self._task,
            completed=completed,
            description=_round_of(self._number, self._rounds)
            + _epoch_of(trainer.current_epoch + 1, self._epochs),
            values=_values(self._numbers(trainer), self._pruning.achieved_sparsity, self._target),
        )

    def _numbers(self, trainer: Any) -> dict[str, float]:
        """What the model shows; the sparsity is shown already, and the version of a run never."""
        hidden = {"v_num", *self._pruning.figures}
        shown = trainer.progress_bar_metrics.items()
        return {name: float(value) for name, value in shown if name not in hidden}

    def _close(self) -> None:
        if self._progress is not None:
            self._progress.stop()
            self._progress = None


def epoch_line(
    record: EpochRecord, *, epochs: int | None, rounds: int = 1, target: float | None = None
) -> str:
    """Put an epoch into a line: ``epoch 3/10  step 270  loss 0.1  sparsity 0.7875 of 0.9000``.

    Args:
        record: the epoch.
        epochs: how many there will be, or None where steps decide.
        rounds: how many trainings there are; if several, the line begins with ``round 2/5``.
        target: the sparsity asked for; None, or 0, where there is nothing to reach.
    """
    head = f"{_round_of(record.round, rounds)}{_epoch_of(record.epoch, epochs)}  step {record.step}"
    # Where there are too many, those of the validation are the last to be left out.
    names = sorted(record.metrics, key=lambda it: it not in record.validated)
    metrics = {name: record.metrics[name] for name in names}
    return f"{head}  {_values(metrics, record.sparsity, target)}"


def _round_of(number: int, rounds: int) -> str:
    return f"round {number}/{rounds}  " if rounds > 1 else ""


def _epoch_of(epoch: int, epochs: int | None) -> str:
    return f"epoch {epoch}/{epochs}" if epochs else f"epoch {epoch}"


def _values(metrics: dict[str, float], sparsity: float, target: float | None) -> str:
    names = [name for name in metrics if not _is_repeat(name, metrics)]
    shown = [f"{name} {metrics[name]:.4g}" for name in names[:_METRICS_SHOWN]]
    of = f" of {target:.4f}" if target else ""
    return "  ".join([*shown, f"sparsity {sparsity:.4f}{of}"])


def _is_repeat(name: str, metrics: dict[str, float]) -> bool:
    """Lightning logs ``loss_step`` and ``loss`` beside ``loss_epoch``: one of them is enough."""
    stem = name.removesuffix("_step").removesuffix("_epoch")
    return stem != name and stem in metrics


def _finite(batches: float) -> float | None:
    return None if batches == float("inf") else batches
