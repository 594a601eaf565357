"""One training run, from options to an outcome."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from prunetool.errors import OptionError, PrunetoolError
from prunetool.training.checkpointing import run_checkpoint
from prunetool.training.config import write_config
from prunetool.training.data import fit_data
from prunetool.training.importing import make_importable
from prunetool.training.initial import InitialWeights, initial_masks
from prunetool.training.interrupts import Terminated
from prunetool.training.metrics_file import MetricsFile
from prunetool.training.monitor import BestSoFar, parse_monitor
from prunetool.training.noise import useful_messages_only
from prunetool.training.options import TrainOptions
from prunetool.training.outcome import Outcome, outcome_of
from prunetool.training.progress import ProgressCallback
from prunetool.training.pruning_options import pruning_callback
from prunetool.training.resuming import Resumed
from prunetool.training.run_folder import RunFolder, discard_unused, new_run_folder
from prunetool.training.targets import (
    BuiltModel,
    ModelSource,
    build_model,
    is_checkpoint_path,
    resolve_target,
)
from prunetool.training.trainer import build_trainer, fit
from prunetool.training.trees import tree_of

Note = Callable[[str], None]


@dataclass(frozen=True)
class Manners:
    """How a run presents itself, which decides nothing about its result.

    Attributes:
        note: says one line to the user.
        quiet: no progress, and of Lightning's messages only warnings.
        verbose: 0, 1 or 2: how much of each pruning event is logged.
    """

    note: Note
    quiet: bool = False
    verbose: int = 0


@dataclass(frozen=True)
class Place:
    """Where a run goes.

    Attributes:
        output: its folder; None for the next free ``runs/NAME-N``.
        force: a folder that is not empty may be used.
        resumed: the run to go on with, instead of a new one.
    """

    output: Path | None = None
    force: bool = False
    resumed: Resumed | None = None


def train(options: TrainOptions, place: Place, manners: Manners) -> Outcome:
    """Train and prune a model, and leave a run folder.

    Raises:
        PrunetoolError: for anything that the user can mend.
        KeyboardInterrupt, Terminated: after saying where the last checkpoint is.
    """
    with useful_messages_only(quiet=manners.quiet, verbose=manners.verbose):
        make_importable(options.app_dir)
        source = resolve_target(options.target, model=options.model, app_dir=options.app_dir)
        model = _build(source, options)
        data = _data(model, options)
        masks = {} if place.resumed else initial_masks(source.start, options, manners.note)
        pruning = pruning_callback(options, masks=masks, verbose=manners.verbose)
        folder = _folder(source, options, place)
        progress = ProgressCallback(pruning, quiet=manners.quiet)
        callbacks = [pruning, progress, _recorder(model, pruning, progress, folder, place, options)]
        if source.start is not None and place.resumed is None:
            callbacks.insert(0, InitialWeights(source.start))
        trainer = build_trainer(model.tree, options, callbacks=callbacks, root=folder.path)
        manners.note(f"run folder {folder.path}, seed {options.seed}")
        resume_from = place.resumed.checkpoint if place.resumed else None
        try:
            fit(trainer, model.module, data, resume_from=resume_from)
        except (KeyboardInterrupt, Terminated):
            manners.note(_where_it_stands(folder))
            raise
        except PrunetoolError:
            discard_unused(folder)
            raise
        return outcome_of(pruning, options, folder)


def _build(source: ModelSource, options: TrainOptions) -> BuiltModel:
    """Seed, then build: the initial weights are part of what a seed repeats."""
    builder = source.builder
    tree = tree_of(builder) if isinstance(builder, type) else None
    _seed(tree.package if tree else "lightning.pytorch", options.seed)
    return build_model(source, options.model_arg)


def _seed(package: str, seed: int) -> None:
    from importlib import import_module

    import_module(package).seed_everything(seed, workers=True)


def _data(model: BuiltModel, options: TrainOptions) -> dict[str, Any]:
    return fit_data(
        options.data,
        options.data_arg,
        module=model.module,
        tree=model.tree,
        app_dir=options.app_dir,
    )


def _folder(source: ModelSource, options: TrainOptions, place: Place) -> RunFolder:
    if place.resumed is not None:
        return place.resumed.folder
    if place.output is not None and is_checkpoint_path(options.target):
        output, target = place.output.resolve(), Path(options.target).resolve()
        if target.is_relative_to(output):
            raise OptionError(
                f"--output {place.output}: holds the checkpoint to start from; choose another"
            )
    return new_run_folder(place.output, name=source.name, force=place.force)


def _recorder(
    model: BuiltModel,
    pruning: Any,
    progress: ProgressCallback,
    folder: RunFolder,
    place: Place,
    options: TrainOptions,
) -> Any:
    finished = place.resumed.finished_epochs if place.resumed else None
    table = MetricsFile(folder.metrics, finished_epochs=finished)
    return run_checkpoint(
        model.tree,
        folder=folder,
        pruning=pruning,
        model={"target": model.path, "args": model.arguments},
        best=BestSoFar(parse_monitor(options.monitor)) if options.monitor else None,
        listeners=[lambda record: table.add(**asdict(record)), progress.epoch_done],
        begin=lambda: _begin(folder, options, resumed=place.resumed is not None),
    )


def _begin(folder: RunFolder, options: TrainOptions, *, resumed: bool) -> None:
    """Take over the folder, now that nothing keeps the run from starting."""
    if not resumed:
        folder.clear()
    write_config(folder.config, options)


def _where_it_stands(folder: RunFolder) -> str:
    if not folder.last.exists():
        return "interrupted before the training began; there is nothing to go on from"
    return (
        f"interrupted; {folder.last} holds the state at the end of the last epoch (or the start); "
        "work since then is not kept\n"
        f"go on with: prunetool train {folder.path} --resume"
    )
