"""The fits of a run: one, or one a round with a pruning between any two.

Every round is a training of its own, by a Trainer of its own, so that its length and what
schedulers make of it are right. The model and the pruning callback are the same throughout.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from prunetool.errors import OptionError
from prunetool.training.building.targets import BuiltModel
from prunetool.training.building.trainer import build_trainer, fit
from prunetool.training.options.options import TrainOptions
from prunetool.training.options.pruning_options import checked
from prunetool.training.processes.crew import Crew
from prunetool.training.processes.interrupts import StopRequest
from prunetool.training.processes.ranks import is_main
from prunetool.training.processes.sharing import Sharing
from prunetool.training.progress import ProgressCallback
from prunetool.training.recording.checkpoint_files import keep_as
from prunetool.training.recording.checkpointing import STATE_KEY, run_checkpoint
from prunetool.training.recording.disk import on_disk
from prunetool.training.recording.epoch_record import Listener
from prunetool.training.recording.loggers import logger_for
from prunetool.training.recording.monitor import BestSoFar
from prunetool.training.recording.recording import Recording
from prunetool.training.recording.replacing import Replacing
from prunetool.training.recording.run_folder import RunFolder
from prunetool.training.recording.starting_weights import StartingWeights
from prunetool.training.resuming.boundary import require_a_batch
from prunetool.training.resuming.entering import (
    Continued,
    Entry,
    Rewound,
    RewoundSchedule,
    require_own_schedulers,
)
from prunetool.training.resuming.rewind_point import RewindPoint
from prunetool.training.resuming.standing import Standing
from prunetool.training.round_book import RoundBook
from prunetool.training.rounds import Retrain, Rounds


@dataclass(frozen=True)
class Course:
    """What all fits of a run share.

    Attributes:
        model, data, options: what is trained.
        pruning: the ModelPruning callback.
        rounds: the plan.
        book: what the rounds came to so far.
        folder: where the checkpoints go.
        crew: the other processes.
        best: decides on ``best.ckpt``, or None.
        table: adds a finished epoch to the run's metrics.
        replacing: keeps an earlier run until this one works.
        write_config: called when training starts.
        first_only: further callbacks of the first fit.
        quiet: no progress.
        is_new: whether the run folder is to be taken over, also where a fit begins with a state.
        stop: what signals ask for.
        standing: where the last checkpoint stands, in words.
        starting: the weights before the first step of a new run.
        note: says one line to the user.
    """

    model: BuiltModel
    data: Mapping[str, Any]
    options: TrainOptions
    pruning: Any
    rounds: Rounds
    book: RoundBook
    folder: RunFolder
    crew: Crew
    best: BestSoFar | None
    table: Listener
    replacing: Replacing
    write_config: Callable[[], None]
    first_only: Sequence[Any] = ()
    quiet: bool = False
    is_new: bool = True
    stop: StopRequest = field(default_factory=StopRequest)
    standing: Standing = field(default_factory=Standing)
    starting: StartingWeights = field(default_factory=StartingWeights)
    note: Callable[[str], None] = field(default=lambda line: None)

    def run(self, *, resume_from: Path | None) -> None:
        """Train every round that is left, and prune after each but the last.

        Args:
            resume_from: a checkpoint of the round that ``book`` is in; None begins anew.
        """
        entry = self._resumed(resume_from) if resume_from is not None else Entry()
        for number in range(self.book.number, self.rounds.count + 1):
            self.book.number = number
            trainer, has_saved = self._fit(entry, resumed=resume_from is not None)
            if self.rounds.count > 1:
                self.book.require_trained()
            if self.rounds.count > 1 and trainer.is_global_zero:
                # A resumed round may have been over; its end is what it was resumed from.
                self._keep(number, resume_from if resume_from and not has_saved else None)
            if number < self.rounds.count:
                if self.stop.name is not None:
                    self.stop.leave()
                self._prune(number)
                entry = self._entry(trainer, number + 1)
            resume_from = None

    def _resumed(self, checkpoint: Path) -> Entry:
        if self.rounds.retrain is Retrain.FINETUNE and self.book.number > 1:
            return Continued(None, checkpoint)
        return Entry(checkpoint)

    def _entry(self, trainer: Any, number: int) -> Entry:
        """Say how round ``number`` begins; ``trainer`` is that of the round before."""
        last = number == self.rounds.count
        match self.rounds.retrain:
            case Retrain.WEIGHTS:
                redraw = self.pruning.redraw if self.rounds.resample and last else None
                return Rewound(self._rewind_point(), redraw)
            case Retrain.LR:
                return RewoundSchedule(self._rewind_point())
            case Retrain.FINETUNE:
                return Continued([it.state_dict() for it in trainer.optimizers])
        raise AssertionError(f"no such way to retrain: {self.rounds.retrain!r}")

    def _rewind_point(self) -> Path:
        if self.folder.rewind.exists():
            return self.folder.rewind
        if self.book.number == 1:
            raise OptionError(
                f"--rewind-step {self.rounds.rewind_step}: the first round ended before that; "
                f"choose a smaller one, or train longer"
            )
        raise OptionError(
            f"{self.folder.rewind}: is missing, and every further round begins with it; "
            f"start the run anew"
        )

    def _fit(self, entry: Entry, *, resumed: bool) -> tuple[Any, bool]:
        first = self.book.number == 1
        progress = ProgressCallback(
            self.pruning,
            quiet=self.quiet,
            rounds=self.rounds.count,
            number=self.book.number,
            target=self.options.sparsity,
        )
        recorder = run_checkpoint(self.model.tree, self._recording(entry, progress, resumed))
        own = self.first_only if first and not resumed else ()
        sharing = Sharing(self.folder, self.options.strategy)
        trainer = build_trainer(
            self.model.tree,
            self.options,
            callbacks=[sharing, *own, self.pruning, progress, recorder],
            root=self.folder.path,
            logger=self._logger(entry, resumed),
        )
        self.crew.join(trainer)
        with warnings.catch_warnings():  # an entry may silence some
            fit(trainer, self.model.module, self.data, resume_from=entry.checkpoint)
        if first and entry.checkpoint is None:
            require_a_batch(trainer)
        # They are in the masks now, and must not come back after masks are shuffled.
        self.pruning.initial_masks = {}
        return trainer, recorder.has_saved

    def _logger(self, entry: Entry, resumed: bool) -> Any:
        """Build the logger of a round: it writes before training starts."""
        if self.options.logger == "none":
            return False
        goes_on = resumed and not self.is_new
        if self.is_new and self.book.number == 1 and is_main():
            self.replacing.begin()
        return logger_for(
            self.model.tree,
            self.options.logger,
            self.folder,
            round_=self.book.number if self.rounds.count > 1 else None,
            resumed=entry.checkpoint if goes_on else None,
        )

    def _recording(self, entry: Entry, progress: ProgressCallback, resumed: bool) -> Recording:
        first = self.book.number == 1
        point = None
        if first and self.rounds.rewinds:
            of_the_run = (self.pruning.state_key, STATE_KEY)
            point = RewindPoint(self.rounds.rewind_step, of_the_run=of_the_run)
        return Recording(
            folder=self.folder,
            pruning=self.pruning,
            model={"target": self.model.path, "args": self.model.arguments},
            book=self.book,
            entry=entry,
            rewind_point=point,
            best=self.best,
            listeners=[self.table, progress.epoch_done],
            again=self.table,
            stop=self.stop,
            standing=self.standing,
            note=self.note,
            check=lambda trainer: self._check(trainer, point),
            begin=lambda: self._begin(resumed=not (first and self.is_new)),
            settle=self.replacing.settle,
        )

    def _check(self, trainer: Any, point: RewindPoint | None) -> None:
        if point is not None:
            point.require_reachable(trainer)
        if self.rounds.retrain is Retrain.FINETUNE and self.book.number == 1:
            require_own_schedulers(trainer)
        if self.book.number == 1 and self.is_new:
            self.starting.look(self.model.module, self.pruning.masks.keys())

    def _begin(self, *, resumed: bool) -> None:
        """Take over the folder, now that nothing keeps the run from starting."""
        if not resumed:
            self.replacing.begin()
            self.starting.write(self.folder.histograms)
        elif self.folder.report.exists():
            on_disk(self.folder.report, self.folder.report.unlink)  # it is of an earlier end
        self.write_config()

    def _keep(self, number: int, end: Path | None) -> None:
        """Keep the end of a round, ``last.ckpt`` or another, under a name of its own."""
        source, file = end or self.folder.last, self.folder.round(number)
        if source.resolve() != file.resolve():
            keep_as(source, file)

    def _prune(self, number: int) -> None:
        """Prune after round ``number``, and shuffle the masks of the last round if asked for."""
        planned = None if self.rounds.sparsities is None else self.rounds.sparsities[number - 1]
        if planned is not None:
            checked(partial(self.pruning.prune_to, planned))
        else:
            checked(partial(self.pruning.apply_pruning, self.rounds.amount))
        self.book.note_pruning(planned=planned, achieved=self.pruning.achieved_sparsity)
        if self.rounds.shuffle and number + 1 == self.rounds.count:
            self.pruning.shuffle_masks()
