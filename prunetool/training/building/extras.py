"""Callbacks and other objects that a config file gives to the Trainer beside the run's own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from prunetool.errors import OptionError
from prunetool.training.building.annotations import build_object, instantiated
from prunetool.training.building.trees import Tree
from prunetool.training.options.options import TrainOptions

CALLBACKS, LOGGER, CHECKPOINTING = "callbacks", "logger", "enable_checkpointing"
_OF_CHECKPOINTS = "model-checkpoints"


def trainer_arguments(tree: Tree, options: TrainOptions) -> dict[str, Any]:
    """The further arguments of the Trainer but callbacks, checked, with their objects built.

    Raises:
        OptionError, TargetError, UserCodeError: naming the argument.
    """
    given = {k: v for k, v in options.trainer.items() if k not in (CALLBACKS, CHECKPOINTING)}
    where = options.origins.of
    if options.trainer.get(CHECKPOINTING) is False:
        raise OptionError(
            f"{where('trainer', CHECKPOINTING)}: a run keeps its checkpoints; leave it out"
        )
    logger = given.pop(LOGGER, None)
    values = instantiated(
        tree.trainer_class,
        given,
        where=lambda name: where("trainer", name),
        app_dir=options.app_dir,
    )
    if logger is None:
        return values
    return {**values, LOGGER: _logger(tree, options, logger)}


def callbacks_of(tree: Tree, options: TrainOptions, *, root: Path, logs: bool) -> list[Any]:
    """Build the file's callbacks, anew for each fit.

    Args:
        tree: the model's Lightning.
        options: the run.
        root: the run folder.
        logs: whether there is a logger, in whose folder ModelCheckpoint then saves.

    Raises:
        OptionError: for a second pruner.
        TargetError, UserCodeError: if a class path leads nowhere, or its code raises.
    """
    module = tree.load("callbacks")
    found = []
    for where, description in _listed(options, CALLBACKS):
        callback = build_object(description, module.Callback, where=where, app_dir=options.app_dir)
        if any(base.__name__ == "ModelPruning" for base in type(callback).__mro__):
            raise OptionError(
                f"{where}: {type(callback).__name__} would prune beside train, which has a pruner "
                f"of its own: say what to prune under 'pruning:', and take this one out"
            )
        if isinstance(callback, module.ModelCheckpoint) and callback.dirpath is None and not logs:
            # Its own choice is the folder that the run's checkpoints are in, last.ckpt among them.
            callback.dirpath = str(root / _OF_CHECKPOINTS)
        found.append(callback)
    return found


def _logger(tree: Tree, options: TrainOptions, given: Any) -> Any:
    if isinstance(given, bool):
        return given
    if given in ("csv", "tensorboard"):
        where = options.origins.of("trainer", LOGGER)
        raise OptionError(f"{where}: expected a class, got {given!r}; take --logger {given}")
    base = tree.load("loggers").Logger
    return [
        build_object(description, base, where=where, app_dir=options.app_dir)
        for where, description in _listed(options, LOGGER)
    ]


def _listed(options: TrainOptions, name: str) -> list[tuple[str, Any]]:
    """Each of one or several descriptions, and its place."""
    where, given = options.origins.of("trainer", name), options.trainer.get(name)
    if given is None:
        return []
    if isinstance(given, str | Mapping):
        return [(where, given)]
    if not isinstance(given, list):
        raise OptionError(f"{where}: expected class_path and init_args, got {given!r}")
    return [(f"{where}[{i}]", description) for i, description in enumerate(given)]
