"""The checkpoints of a run: ``last.ckpt`` after every epoch, ``best.ckpt`` of a monitored metric.

The last checkpoint is always the state between two epochs, random generators included, so that a
resumed run does what an uninterrupted one would have done. Work since then is not saved: a
generator in the middle of an epoch cannot be brought back to the batch it was at.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prunetool.errors import OutputError
from prunetool.training import random_state
from prunetool.training.atomic import beside_of, move_into_place
from prunetool.training.between_epochs import between_epochs
from prunetool.training.metrics import FreshMetrics
from prunetool.training.monitor import BestSoFar
from prunetool.training.run_folder import RunFolder
from prunetool.training.trees import Tree


@dataclass(frozen=True)
class EpochRecord:
    """A finished epoch.

    Attributes:
        epoch: finished epochs, from 1.
        step: optimizer steps so far.
        sparsity: pruned share of the targets, in [0, 1].
        metrics: what belongs to the weights as they are now.
    """

    epoch: int
    step: int
    sparsity: float
    metrics: dict[str, float]


Listener = Callable[[EpochRecord], None]


def run_checkpoint(
    tree: Tree,
    *,
    folder: RunFolder,
    pruning: Any,
    model: dict[str, Any],
    best: BestSoFar | None,
    listeners: Sequence[Listener],
    begin: Callable[[], None],
) -> Any:
    """Build the callback on the ``Checkpoint`` class of the model's Lightning, which runs it last.

    Args:
        tree: the model's Lightning.
        folder: where the checkpoints go.
        pruning: the ModelPruning callback.
        model: ``{"target", "args"}`` to record in each checkpoint.
        best: decides on ``best.ckpt``; None without a monitored metric.
        listeners: called with each finished epoch, in the main process.
        begin: called in the main process when training starts: all that can be wrong with the
            setup is known by then.
    """
    cls = type("RunCheckpoint", (_RunCheckpoint, tree.checkpoint_class), {})
    return cls(folder, pruning, model, best, listeners, begin)


class _RunCheckpoint:
    """The hooks; ``run_checkpoint`` joins them with a base class."""

    def __init__(
        self,
        folder: RunFolder,
        pruning: Any,
        model: dict[str, Any],
        best: BestSoFar | None,
        listeners: Sequence[Listener],
        begin: Callable[[], None],
    ) -> None:
        self._folder = folder
        self._begin = begin
        self._pruning = pruning
        self._model = model
        self._best = best
        self._listeners = listeners
        self._fresh = FreshMetrics()
        self._has_validated = False
        self._at_boundary: dict[str, float] | None = None
        self._random: list[dict[str, Any]] | None = None
        self._resumed: dict[str, Any] | None = None

    @property
    def state_key(self) -> str:
        """The key of this callback's state in a checkpoint."""
        return "PrunetoolRun"

    # --- the run's course -------------------------------------------------------------------

    def on_fit_start(self, trainer: Any, pl_module: Any) -> None:
        if self._resumed is not None:
            random_state.restore(self._resumed["random"])
        # The first epoch's batches are drawn before on_train_start.
        self._random = random_state.capture()

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        if trainer.is_global_zero:
            self._begin()
        if self._resumed is not None:
            _begin_with_a_new_epoch(trainer, self._resumed["logged"])
            self._resumed = None
        else:
            self._save_last(trainer, metrics={})
        self._random = None

    def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
        self._fresh.epoch_starts(trainer)

    def on_validation_start(self, trainer: Any, pl_module: Any) -> None:
        if not trainer.sanity_checking:
            self._fresh.validation_starts(trainer)

    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
        if not trainer.sanity_checking:
            self._fresh.validation_ends(trainer)
            self._has_validated = True

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        metrics = self._fresh.at_epoch_end(trainer)
        improved = self._improves(trainer, metrics)
        self._save_last(trainer, metrics=metrics)
        if not trainer.is_global_zero:
            return
        if improved:
            _on_disk(self._folder.best, lambda: _copy(self._folder.last, self._folder.best))
        record = EpochRecord(
            epoch=trainer.current_epoch + 1,
            step=trainer.global_step,
            sparsity=self._pruning.achieved_sparsity,
            metrics=metrics,
        )
        for listener in self._listeners:
            listener(record)

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        if self._best is not None:
            self._best.require_logged(list(trainer.callback_metrics))

    # --- what a checkpoint holds ------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        return {
            "random": self._random or random_state.capture(),
            "best": self._best.state_dict() if self._best is not None else None,
            "logged": self._at_boundary or {},
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._resumed = state
        # Some strategies restore after on_fit_start.
        random_state.restore(state["random"])
        if self._best is not None and state["best"] is not None:
            self._best.load_state_dict(state["best"])

    def on_save_checkpoint(self, trainer: Any, pl_module: Any, checkpoint: dict[str, Any]) -> None:
        record = checkpoint.setdefault("prunetool", {})
        record["model"] = self._model
        if self._at_boundary is not None:
            record["metrics"] = self._metrics
            loops = checkpoint["loops"]
            fit_loop = between_epochs(loops["fit_loop"])
            checkpoint["loops"] = {**loops, "fit_loop": fit_loop}

    # --- helpers ----------------------------------------------------------------------------

    def _improves(self, trainer: Any, metrics: dict[str, float]) -> bool:
        if self._best is None:
            return False
        if self._has_validated or not sum(trainer.num_val_batches):
            self._best.require_logged(list(trainer.callback_metrics))
        return self._best.improves(
            metrics,
            pruned=self._pruning.pruned_elements,
            planned=self._pruning.planned_elements,
        )

    def _save_last(self, trainer: Any, *, metrics: dict[str, float]) -> None:
        beside = beside_of(self._folder.last)
        self._metrics = metrics
        self._at_boundary = {k: float(v) for k, v in trainer.callback_metrics.items()}
        try:
            _on_disk(self._folder.last, lambda: trainer.save_checkpoint(beside))
        finally:
            self._at_boundary = None
        if trainer.is_global_zero:
            _on_disk(self._folder.last, lambda: move_into_place(beside, self._folder.last))
        trainer.strategy.barrier("prunetool last.ckpt")


def _on_disk(path: Path, write: Callable[[], None]) -> None:
    try:
        write()
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror or error}") from error


def _copy(source: Path, target: Path) -> None:
    """A second name is enough: the source is only ever replaced, never changed."""
    beside = beside_of(target)
    beside.unlink(missing_ok=True)
    try:
        os.link(source, beside)
    except OSError:  # a file system without hard links
        shutil.copyfile(source, beside)
    move_into_place(beside, target)


def _begin_with_a_new_epoch(trainer: Any, logged: dict[str, float]) -> None:
    """Bring a resumed trainer to where the uninterrupted one was at this point.

    With ``max_steps`` Lightning 2.6 takes any resumed epoch for a half-finished one, and then
    leaves out its plateau schedulers; and it steps them after the hook in which we save.
    """
    epoch_loop = trainer.fit_loop.epoch_loop
    if epoch_loop.batch_progress.current.ready > 0:
        return  # cut short by max_steps: Lightning goes on in the middle
    trainer.fit_loop._restarting = False
    epoch_loop.restarting = False
    for config in trainer.lr_scheduler_configs:
        due = config.interval == "epoch" and trainer.current_epoch % config.frequency == 0
        if config.reduce_on_plateau and due and config.monitor in logged:
            epoch_loop.scheduler_progress.increment_ready()
            trainer.lightning_module.lr_scheduler_step(config.scheduler, logged[config.monitor])
            epoch_loop.scheduler_progress.increment_completed()
