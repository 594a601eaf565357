"""The checkpoints of a run: ``last.ckpt`` after every epoch, ``best.ckpt`` of a monitored metric.

The last checkpoint is always the state between two epochs, random generators included, so that a
resumed run does what an uninterrupted one would have done. Work since then is not saved: a
generator in the middle of an epoch cannot be brought back to the batch it was at.
"""

from __future__ import annotations

from typing import Any

from prunetool.checkpoints.writing import beside_of, move_into_place
from prunetool.training import random_state
from prunetool.training.between_epochs import between_epochs
from prunetool.training.boundary import EpochRandom, begin_with_a_new_epoch
from prunetool.training.checkpoint_files import keep_as, on_disk
from prunetool.training.epoch_record import EpochRecord
from prunetool.training.metrics import FreshMetrics
from prunetool.training.recording import Recording
from prunetool.training.trees import Tree

STATE_KEY = "PrunetoolRun"


def run_checkpoint(tree: Tree, recording: Recording) -> Any:
    """Build the callback on the ``Checkpoint`` class of the model's Lightning, which runs it last.

    Args:
        tree: the model's Lightning.
        recording: of one fit.
    """
    cls = type("RunCheckpoint", (_RunCheckpoint, tree.checkpoint_class), {})
    return cls(recording)


class _RunCheckpoint:
    """The hooks; ``run_checkpoint`` joins them with a base class."""

    def __init__(self, recording: Recording) -> None:
        self._run = recording
        self._folder = recording.folder
        self._best = recording.best
        self._fresh = FreshMetrics()
        self._has_validated = False
        self._at_boundary: dict[str, float] | None = None
        self._metrics: dict[str, float] = {}
        self._random: EpochRandom | None = None
        self._resumed: dict[str, Any] | None = None
        self.has_saved = False

    @property
    def state_key(self) -> str:
        """The key of this callback's state in a checkpoint."""
        return STATE_KEY

    # --- the run's course -------------------------------------------------------------------

    def on_load_checkpoint(self, trainer: Any, pl_module: Any, checkpoint: dict[str, Any]) -> None:
        self._run.entry.loads(checkpoint)

    def on_fit_start(self, trainer: Any, pl_module: Any) -> None:
        if self._resumed is not None:
            _random_of(self._resumed).restore(trainer)
        self._run.entry.fit_starts(trainer)
        if self._run.rewind_point is not None:
            self._run.rewind_point.fit_starts(trainer)
        # The first epoch's iterator is made before on_train_start.
        self._random = EpochRandom.at_fit_start(trainer)

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        self._run.check(trainer)
        if trainer.is_global_zero:
            self._run.begin()
        self._run.entry.train_starts(trainer)
        if self._run.rewind_point is not None:
            self._run.rewind_point.train_starts(trainer)
        if self._resumed is not None:
            begin_with_a_new_epoch(trainer, self._resumed["logged"])
            self._resumed = None
        elif self._run.book.number == 1:
            self._save_last(trainer, metrics={})
        self._random = None

    def on_train_batch_end(
        self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if self._run.rewind_point is not None:
            self._run.rewind_point.batch_ends(trainer)

    def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
        self._fresh.epoch_starts(trainer)
        if self._run.rewind_point is not None:
            self._run.rewind_point.epoch_starts()

    def on_validation_start(self, trainer: Any, pl_module: Any) -> None:
        if not trainer.sanity_checking:
            self._fresh.validation_starts(trainer)

    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
        if not trainer.sanity_checking:
            self._fresh.validation_ends(trainer)
            self._has_validated = True

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        record = self._record(trainer)
        self._require_monitored(trainer)
        if self._run.rewind_point is not None:
            self._run.rewind_point.epoch_ends(trainer)
        self._run.book.add(record)
        improved = self._improves(record)
        self._save_last(trainer, metrics=record.metrics)
        if not trainer.is_global_zero:
            return
        if improved:
            keep_as(self._folder.last, self._folder.best)
        if self._monitored_is_known(trainer):
            self._run.settle()
        for listener in self._run.listeners:
            listener(record)

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        if self._best is not None:
            self._best.require_logged(list(trainer.callback_metrics))
        if trainer.is_global_zero:
            self._run.settle()

    def on_fit_end(self, trainer: Any, pl_module: Any) -> None:
        if self._resumed is not None:  # nothing was left to train, and no hook of training ran
            begin_with_a_new_epoch(trainer, self._resumed["logged"])
            random_state.restore(self._resumed["random"])
            self._resumed = None

    # --- what a checkpoint holds ------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        random = self._random or EpochRandom.between_epochs()
        return {
            "random": random.states,
            "iterator_made": random.iterator_made,
            "best": self._best.state_dict() if self._best is not None else None,
            "logged": self._at_boundary or {},
            **self._run.book.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._resumed = state
        self._run.book.load_state_dict(state)
        # Some strategies restore after on_fit_start.
        random_state.restore(state["random"])
        if self._best is not None and state["best"] is not None:
            self._best.load_state_dict(state["best"])

    def on_save_checkpoint(self, trainer: Any, pl_module: Any, checkpoint: dict[str, Any]) -> None:
        record = checkpoint.setdefault("prunetool", {})
        record["model"] = self._run.model
        if self._at_boundary is not None:
            record["metrics"] = self._metrics
            loops = checkpoint["loops"]
            fit_loop = between_epochs(loops["fit_loop"])
            checkpoint["loops"] = {**loops, "fit_loop": fit_loop}
        if self._run.rewind_point is not None:
            self._run.rewind_point.amend(checkpoint)

    # --- helpers ----------------------------------------------------------------------------

    def _record(self, trainer: Any) -> EpochRecord:
        metrics = self._fresh.at_epoch_end(trainer)
        return EpochRecord(
            epoch=trainer.current_epoch + 1,
            step=trainer.global_step,
            sparsity=self._run.pruning.achieved_sparsity,
            metrics=metrics,
            validated=frozenset(self._fresh.validated & metrics.keys()),
            round=self._run.book.number,
        )

    def _monitored_is_known(self, trainer: Any) -> bool:
        """Whether the monitored metric has had its chance to be logged."""
        return self._best is None or self._has_validated or not sum(trainer.num_val_batches)

    def _require_monitored(self, trainer: Any) -> None:
        if self._best is not None and self._monitored_is_known(trainer):
            self._best.require_logged(list(trainer.callback_metrics))

    def _improves(self, record: EpochRecord) -> bool:
        if self._best is None or not self._run.book.is_last:
            return False
        return self._best.improves(
            record.metrics,
            pruned=self._run.pruning.pruned_elements,
            planned=self._run.pruning.planned_elements,
        )

    def _save_last(self, trainer: Any, *, metrics: dict[str, float]) -> None:
        beside = beside_of(self._folder.last)
        self._metrics = metrics
        self._at_boundary = {k: float(v) for k, v in trainer.callback_metrics.items()}
        try:
            on_disk(self._folder.last, lambda: trainer.save_checkpoint(beside))
        finally:
            self._at_boundary = None
        if trainer.is_global_zero:
            on_disk(self._folder.last, lambda: move_into_place(beside, self._folder.last))
        trainer.strategy.barrier("prunetool last.ckpt")
        self.has_saved = True


def _random_of(state: dict[str, Any]) -> EpochRandom:
    return EpochRandom(state["random"], state.get("iterator_made", False))
