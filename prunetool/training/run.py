"""One training run, from options to an outcome."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from prunetool.errors import OptionError, OutputError, PrunetoolError
from prunetool.importing import make_importable
from prunetool.training.building.data import fit_data
from prunetool.training.building.initial import InitialWeights, initial_masks
from prunetool.training.building.optimizers import use_optimizer
from prunetool.training.building.strategies import require_sharding
from prunetool.training.building.targets import (
    BuiltModel,
    ModelSource,
    build_model,
    is_checkpoint_path,
    resolve_target,
)
from prunetool.training.building.trees import tree_of
from prunetool.training.course import Course
from prunetool.training.noise import useful_messages_only
from prunetool.training.options.config import write_config
from prunetool.training.options.options import TrainOptions
from prunetool.training.options.pruning_options import pruning_callback
from prunetool.training.options.round_options import rounds_of
from prunetool.training.outcome import Outcome, history_of, outcome_of
from prunetool.training.processes.crew import Crew
from prunetool.training.processes.interrupts import Terminated, interruptible
from prunetool.training.processes.ranks import is_main
from prunetool.training.recording.events_file import write_events
from prunetool.training.recording.leftovers import drop_half_written_texts
from prunetool.training.recording.loggers import require_logger
from prunetool.training.recording.metrics_file import MetricsFile
from prunetool.training.recording.monitor import BestSoFar, Monitor, parse_monitor
from prunetool.training.recording.replacing import Replacing
from prunetool.training.recording.run_folder import RUNS, RunFolder, discard_unused, new_run_folder
from prunetool.training.resuming.resuming import Resumed
from prunetool.training.resuming.standing import Standing
from prunetool.training.round_book import RoundBook
from prunetool.training.rounds import Rounds

Note = Callable[[str], None]


@dataclass(frozen=True)
class Manners:
    """How a run presents itself, which decides nothing about its result.

    Attributes:
        note: says one line to the user.
        farewell: says where an interrupted run stands, even where notes are not wanted; as
            ``note`` if it is None.
        quiet: no progress, and of Lightning's messages only warnings.
        verbose: 0, 1 or 2: how much of each pruning event is logged.
    """

    note: Note
    farewell: Note | None = None
    quiet: bool = False
    verbose: int = 0

    def leave(self, line: str) -> None:
        """Say where an interrupted run stands."""
        (self.farewell or self.note)(line)


@dataclass(frozen=True)
class Place:
    """Where a run goes.

    Attributes:
        output: its folder; None for the next free ``runs/NAME-N``.
        force: a folder that is not empty may be used.
        resumed: the run to go on with, instead of a new one.
        state: a checkpoint of no run, whose state a new one goes on with.
    """

    output: Path | None = None
    force: bool = False
    resumed: Resumed | None = None
    state: Path | None = None


def train(options: TrainOptions, place: Place, manners: Manners) -> Outcome:
    """Train and prune a model, and leave a run folder.

    Every process of a run calls this; only the main one says anything and writes the tables.

    Raises:
        PrunetoolError: for anything that the user can mend.
        KeyboardInterrupt, Terminated: after saying where the last checkpoint is.
    """
    if not is_main():
        manners = Manners(note=lambda line: None, quiet=True)
    only = partial(
        useful_messages_only, quiet=manners.quiet, verbose=manners.verbose, silent=not is_main()
    )
    require_logger(options.logger)
    with only():
        make_importable(options.app_dir)
        with options.origins.naming("model" if options.model else "target"):
            source = resolve_target(options.target, model=options.model, app_dir=options.app_dir)
    # Anew: pytorch_lightning sets up its own logging when the target imports it.
    with only(), options.origins.naming():
        course = _course(source, options, place, manners)
        resumed = place.resumed.lines if place.resumed else ()
        head = f"run folder {course.folder.path}, seed {options.seed}"
        for line in (head, *resumed, *course.rounds.lines):
            manners.note(line)
        _run(course, place, manners)
        outcome = outcome_of(course.pruning, options, course.folder, book=course.book)
        if is_main():
            write_events(course.folder.events, outcome.history)
        return outcome


def _course(source: ModelSource, options: TrainOptions, place: Place, manners: Manners) -> Course:
    """Build all that the fits of the run share, and make its folder."""
    model = _build(source, options)
    use_optimizer(model, options, manners.note)
    require_sharding(model.tree, model.module, options.strategy)
    data = _data(model, options)
    masks = {} if place.resumed else initial_masks(source.start, options, manners.note)
    pruning = pruning_callback(options, masks=masks, verbose=manners.verbose)
    rounds = rounds_of(options)
    monitor = parse_monitor(options.monitor) if options.monitor else None
    folder, standing = _folder(source, options, place), Standing()
    return Course(
        model=model,
        data=data,
        options=options,
        pruning=pruning,
        rounds=rounds,
        book=_book(rounds, monitor, place),
        folder=folder,
        crew=Crew(lambda: manners.leave(standing.in_words(folder))),
        best=BestSoFar(monitor) if monitor else None,
        table=_table(folder, rounds, place).add,
        replacing=Replacing(folder),
        write_config=lambda: write_config(folder.config, options),
        first_only=[InitialWeights(source.start)] if source.start is not None else [],
        quiet=manners.quiet,
        is_new=place.resumed is None,
        note=manners.note,
        standing=standing,
    )


def _run(course: Course, place: Place, manners: Manners) -> None:
    folder = course.folder
    try:
        with interruptible(), course.crew:
            course.run(resume_from=place.resumed.checkpoint if place.resumed else place.state)
    except (KeyboardInterrupt, Terminated):
        if is_main():
            course.replacing.settle()
            _keep_events(course)
        manners.leave(course.standing.in_words(folder))
        raise
    except PrunetoolError:
        if is_main():
            course.replacing.undo()
            discard_unused(folder)
        raise


def _keep_events(course: Course) -> None:
    """Note the events so far; the end of the run, once it is resumed, notes all of them anew."""
    history = history_of(course.pruning, course.book)
    if history:
        with suppress(OutputError):  # the signal is what counts now
            write_events(course.folder.events, history)


def _book(rounds: Rounds, monitor: Monitor | None, place: Place) -> RoundBook:
    number = place.resumed.round if place.resumed else 1
    return RoundBook(rounds.count, monitor=monitor.name if monitor else None, number=number)


def _table(folder: RunFolder, rounds: Rounds, place: Place) -> MetricsFile:
    resumed = place.resumed
    finished = (resumed.round, resumed.finished_epochs) if resumed else None
    return MetricsFile(folder.metrics, rounds=rounds.count > 1, finished=finished)


def _build(source: ModelSource, options: TrainOptions) -> BuiltModel:
    """Seed, then build: the initial weights are part of what a seed repeats."""
    builder = source.builder
    tree = tree_of(builder) if isinstance(builder, type) else None
    _seed(tree.package if tree else "lightning.pytorch", options.seed)
    return build_model(
        source,
        options.model_arg,
        where=lambda name: options.origins.of("model_arg", name),
        app_dir=options.app_dir,
    )


def _seed(package: str, seed: int) -> None:
    from importlib import import_module

    import_module(package).seed_everything(seed, workers=True)


def _data(model: BuiltModel, options: TrainOptions) -> dict[str, Any]:
    return fit_data(
        options.data,
        options.data_arg,
        module=model.module,
        tree=model.tree,
        where=lambda name: options.origins.of("data_arg", name),
        app_dir=options.app_dir,
    )


def _folder(source: ModelSource, options: TrainOptions, place: Place) -> RunFolder:
    if place.resumed is not None:
        return place.resumed.folder
    if not is_main():  # the main process chooses, and tells once all have met
        return RunFolder(place.output or RUNS)
    if place.output is not None and is_checkpoint_path(options.target):
        output, target = place.output.resolve(), Path(options.target).resolve()
        if target.is_relative_to(output):
            raise OptionError(
                f"--output {place.output}: holds the checkpoint to start from; choose another"
            )
    folder = new_run_folder(place.output, name=source.name, force=place.force)
    drop_half_written_texts(folder)
    return folder
