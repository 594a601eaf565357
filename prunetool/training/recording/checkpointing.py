"""The checkpoints of a run: ``last.ckpt`` after every epoch, ``best.ckpt`` of a monitored metric.

The last checkpoint is always a state between two batches, with all that a resumed run needs to do
what an uninterrupted one would have done (``moment.py``): the end of an epoch or, where a signal
asked for it, the middle of one.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from prunetool.training.building.trees import Tree
from prunetool.training.processes.together import in_main_process
from prunetool.training.recording.checkpoint_files import keep_as, save
from prunetool.training.recording.epoch_record import EpochRecord
from prunetool.training.recording.metrics import FreshMetrics
from prunetool.training.recording.recording import Recording
from prunetool.training.resuming import loaders
from prunetool.training.resuming.between_epochs import between_epochs
from prunetool.training.resuming.boundary import (
    call_between_batches,
    has_trained,
    is_within_an_epoch,
    trained_batches,
)
from prunetool.training.resuming.exactness import why_not_exact
from prunetool.training.resuming.moment import KEY, Moments

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
        self._ended: EpochRecord | None = None
        self._improved = False
        self._saving: dict[str, Any] | None = None
        self._resumed: Mapping[str, Any] | None = None
        self.has_saved = False

    @property
    def state_key(self) -> str:
        """The key of this callback's state in a checkpoint."""
        return STATE_KEY

    # --- the run's course -------------------------------------------------------------------

    def setup(self, trainer: Any, pl_module: Any, stage: str) -> None:
        self._moments = Moments(trainer, self._fresh)

    def on_load_checkpoint(self, trainer: Any, pl_module: Any, checkpoint: dict[str, Any]) -> None:
        self._run.entry.loads(checkpoint)

    def on_fit_start(self, trainer: Any, pl_module: Any) -> None:
        self._run.entry.fit_starts(trainer)
        self._moments.fit_starts(self._run.entry.moment)

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        self._run.check(trainer)
        in_main_process(trainer, self._run.begin)
        self._run.entry.train_starts(trainer, self._moments)
        if self._resumed is not None and loaders.persist(trainer):
            self._run.note(
                "persistent_workers: what is drawn at random in the workers themselves is not "
                "what an uninterrupted run would have drawn; all else is"
            )
        self._catch_up(trainer)
        if self._run.rewind_point is not None and self._run.rewind_point.train_starts(trainer):
            self._save_rewind_point(trainer, self._moments.within_an_epoch(0))
        if self._run.entry.checkpoint is None and self._run.book.number == 1:
            self._save_last(trainer, self._moments.within_an_epoch(0))
        call_between_batches(trainer, lambda: self._between_batches(trainer))
        self._run.standing.reason = why_not_exact(trainer)
        if self._run.standing.reason is None:
            self._run.stop.arm()

    def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
        if self._run.stop.name is not None:
            self._run.standing.is_all = True  # the epoch before has been saved
            self._run.stop.leave()
        self._fresh.epoch_starts(trainer)
        self._ended = None

    def _between_batches(self, trainer: Any) -> None:
        if not is_within_an_epoch(trainer):
            return
        if self._run.rewind_point is not None and self._run.rewind_point.is_due(trainer):
            moment = self._moments.within_an_epoch(trained_batches(trainer))
            self._save_rewind_point(trainer, moment)
        if self._run.stop.name is not None:
            self._stop(trainer)

    def on_validation_start(self, trainer: Any, pl_module: Any) -> None:
        if not trainer.sanity_checking:
            self._fresh.validation_starts(trainer)

    def on_validation_batch_end(self, trainer: Any, *_ignored: Any) -> None:
        if self._run.stop.announces():
            self._run.note(
                f"{self._run.stop.name}: the validation is finished first, then the state is "
                f"saved; a second signal stops at once"
            )

    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
        if not trainer.sanity_checking:
            self._fresh.validation_ends(trainer)
            self._has_validated = True

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        record = self._ended = self._record(trainer)
        self._require_monitored(trainer)
        self._run.book.add(record)
        self._improved = self._improves(record)
        moment = self._moments.between_epochs()
        if self._run.rewind_point is not None and self._run.rewind_point.is_due(trainer):
            self._save_rewind_point(trainer, moment)
        self._save_last(trainer, moment)
        in_main_process(trainer, lambda: self._conclude(trainer, record))

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        self._run.stop.disarm()
        if self._best is not None:
            self._best.require_logged(self._logged(trainer))
        if trainer.is_global_zero and has_trained(trainer):
            self._run.settle()

    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
        self._run.stop.disarm()

    def on_fit_end(self, trainer: Any, pl_module: Any) -> None:
        if self._resumed is not None:  # nothing was left to train, and no hook of training ran
            self._catch_up(trainer)
            self._moments.stand_there(self._run.entry.moment)

    # --- what a checkpoint holds ------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        return {
            "best": self._best.state_dict() if self._best is not None else None,
            "has_validated": self._has_validated,
            "ended": self._ended.as_plain() if self._ended is not None else None,
            "improved": self._improved,
            **self._run.book.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._resumed = state
        self._run.book.load_state_dict(state)
        self._has_validated = state.get("has_validated", False)
        if self._best is not None and state["best"] is not None:
            self._best.load_state_dict(state["best"])

    def on_save_checkpoint(self, trainer: Any, pl_module: Any, checkpoint: dict[str, Any]) -> None:
        record = checkpoint.setdefault("prunetool", {})
        record["model"] = self._run.model
        if self._saving is None:
            record[KEY] = self._moments.elsewhere()
            return
        record[KEY] = self._saving
        record["metrics"] = self._ended.metrics if self._ended is not None else {}
        if self._saving["trained"] is None:
            fit_loop = between_epochs(checkpoint["loops"]["fit_loop"])
            checkpoint["loops"] = {**checkpoint["loops"], "fit_loop": fit_loop}
        if self._saves_rewind_point and self._run.rewind_point is not None:
            self._run.rewind_point.amend(checkpoint, trainer.optimizers)

    # --- helpers ----------------------------------------------------------------------------

    _saves_rewind_point = False

    def _stop(self, trainer: Any) -> None:
        trained = trained_batches(trainer)
        self._run.standing.reason = why_not_exact(trainer)  # it may have changed since
        if self._run.standing.reason is None:
            self._save_last(trainer, self._moments.within_an_epoch(trained))
            self._run.standing.is_within_an_epoch(trainer, trained)
            self._run.standing.is_all = True
        self._run.stop.leave()

    def _catch_up(self, trainer: Any) -> None:
        """Do what follows the saving of an epoch's end: the process that saved it may be dead."""
        state, self._resumed = self._resumed, None
        if state is None or state.get("ended") is None:
            return
        record = self._ended = EpochRecord.from_plain(state["ended"])
        self._improved = state["improved"]
        in_main_process(trainer, lambda: self._again(record))

    def _again(self, record: EpochRecord) -> None:
        self._run.again(record)
        source = self._run.entry.checkpoint
        if (
            self._improved
            and source is not None
            and source.resolve() != self._folder.best.resolve()
        ):
            keep_as(source, self._folder.best)

    def _conclude(self, trainer: Any, record: EpochRecord) -> None:
        if self._improved:
            keep_as(self._folder.last, self._folder.best)
        if self._monitored_is_known(trainer):
            self._run.settle()
        for listener in self._run.listeners:
            listener(record)

    def _record(self, trainer: Any) -> EpochRecord:
        # The callback's figures have their own place: events.csv, and the column sparsity.
        figures = self._run.pruning.figures
        fresh = self._fresh.at_epoch_end(trainer)
        metrics = {name: fresh[name] for name in fresh if name not in figures}
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
            self._best.require_logged(self._logged(trainer))

    def _logged(self, trainer: Any) -> list[str]:
        """What may be monitored: of the callback's figures only the one that is asked for."""
        assert self._best is not None
        hidden = set(self._run.pruning.figures) - {self._best.monitor.name}
        return [name for name in trainer.callback_metrics if name not in hidden]

    def _improves(self, record: EpochRecord) -> bool:
        if self._best is None or not self._run.book.is_last:
            return False
        return self._best.improves(
            {**self._run.pruning.figures, **record.metrics},
            pruned=self._run.pruning.pruned_elements,
            planned=self._run.pruning.planned_elements,
        )

    def _save_last(self, trainer: Any, moment: dict[str, Any]) -> None:
        self._save(trainer, moment, self._folder.last)
        self._run.standing.is_between_epochs(trainer, finished=moment["trained"] is None)
        self.has_saved = True

    def _save_rewind_point(self, trainer: Any, moment: dict[str, Any]) -> None:
        self._saves_rewind_point = True
        try:
            self._save(trainer, moment, self._folder.rewind)
        finally:
            self._saves_rewind_point = False

    def _save(self, trainer: Any, moment: dict[str, Any], path: Path) -> None:
        self._saving = moment
        try:
            save(trainer, path)
        finally:
            self._saving = None
