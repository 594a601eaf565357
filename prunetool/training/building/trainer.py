"""The Trainer of a run, from the options; and what becomes of the errors of a fit."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from prunetool.errors import OptionError, PrunetoolError, UserCodeError
from prunetool.suggest import did_you_mean
from prunetool.training.building.extras import LOGGER, callbacks_of, trainer_arguments
from prunetool.training.building.strategies import strategy_for
from prunetool.training.building.trees import Tree, is_misconfiguration
from prunetool.training.options.options import TrainOptions
from prunetool.training.options.pruning_options import as_option
from prunetool.training.processes.interrupts import interrupt_behind, interruptible
from prunetool.training.processes.ranks import torchrun_layout
from prunetool.training.recording.checkpoint_io import with_checkpoint_io

# Trainer arguments that have an option of their own, or that the run sets itself.
_OWN_OPTIONS = (
    "max_epochs", "max_steps", "accelerator", "devices", "num_nodes", "strategy", "precision",
)  # fmt: skip
_LIBRARIES = frozenset(
    {
        "lightning", "pytorch_lightning", "lightning_fabric", "lightning_utilities",
        "torch", "prunetool", "typer", "click", "rich",
    }
)  # fmt: skip
_OF_CALLBACKS = ("lightning.pytorch.callbacks.", "pytorch_lightning.callbacks.")


def build_trainer(
    tree: Tree, options: TrainOptions, *, callbacks: Sequence[Any], root: Path, logger: Any = False
) -> Any:
    """Build the Trainer of the model's Lightning.

    Args:
        tree: the model's Lightning.
        options: the run.
        callbacks: the run's own, of which the last saves its checkpoints; those of a config file
            come before that one, and the model's configure_callbacks adds to them.
        root: where loggers write, if ``--trainer logger=true`` asks for one.
        logger: that of ``--logger``; False for none. Those of a config file come after it.

    Raises:
        OptionError: for an unknown argument or a value that the Trainer refuses.
    """
    trainer_class = tree.trainer_class
    _check_names(options, trainer_class)
    given = trainer_arguments(tree, options)
    arguments = {
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "logger": logger,
        "default_root_dir": str(root),
        **given,
        **{name: getattr(options, name) for name in _OWN_OPTIONS},
        **_devices_of_torchrun(options),
        "strategy": strategy_for(tree, options.strategy),
        "max_steps": -1 if options.max_steps is None else options.max_steps,
    }
    if logger and LOGGER in given:
        arguments[LOGGER] = [logger, *given[LOGGER]]
    extra = callbacks_of(tree, options, root=root, logs=bool(arguments["logger"]))
    arguments["plugins"] = with_checkpoint_io(tree, arguments)
    try:
        return trainer_class(**arguments, callbacks=[*callbacks[:-1], *extra, callbacks[-1]])
    except Exception as error:
        raise OptionError(f"the Trainer refuses its options: {error}") from error


def fit(trainer: Any, module: Any, data: Mapping[str, Any], *, resume_from: Path | None) -> None:
    """Train.

    Raises:
        KeyboardInterrupt: on Ctrl-C.
        Terminated: on SIGTERM.
        OptionError: where Lightning or the callback finds a misconfiguration.
        UserCodeError: for any other exception; most come out of the user's hooks.
    """
    name = type(module).__name__  # FSDP2 puts a class of its own before it
    try:
        with interruptible():
            trainer.fit(module, **data, ckpt_path=resume_from)
    except PrunetoolError:
        raise
    except Exception as error:
        if (signal := interrupt_behind(error)) is not None:
            raise signal from None
        if _is_lightnings_complaint(error):
            advice = "; add --logger csv" if "has no logger" in str(error) else ""
            raise OptionError(as_option(str(error)) + advice) from error
        raise UserCodeError(f"training {name}") from error


def _check_names(options: TrainOptions, trainer_class: type) -> None:
    known = [name for name in inspect.signature(trainer_class).parameters if name != "self"]
    for name in options.trainer:
        if name in _OWN_OPTIONS:
            raise OptionError(f"--trainer {name}: has an option of its own, --{_dashed(name)}")
        if name not in known:
            where = options.origins.of("trainer", name)
            raise OptionError(
                f"{where}: the Trainer has no such argument{did_you_mean(name, known)}"
            )


def _devices_of_torchrun(options: TrainOptions) -> dict[str, int]:
    """As many as there are processes already, where nothing else was asked for."""
    layout = torchrun_layout()
    if layout is None or options.devices != "auto":
        return {}
    return {"devices": layout[0], "num_nodes": layout[1]}


def _is_lightnings_complaint(error: Exception) -> bool:
    """A complaint about how things are set up, with no line of the user's code involved."""
    kinds = is_misconfiguration(error) or isinstance(error, ValueError | TypeError)
    return (kinds or _comes_of_a_callback(error)) and not _passes_user_code(error)


def _comes_of_a_callback(error: Exception) -> bool:
    """EarlyStopping raises a RuntimeError where its metric is never logged."""
    modules = [str(it.tb_frame.f_globals.get("__name__", "")) for it in _frames(error)]
    return isinstance(error, RuntimeError) and modules[-1].startswith(_OF_CALLBACKS)


def _passes_user_code(error: BaseException) -> bool:
    for frame in _frames(error):
        top = str(frame.tb_frame.f_globals.get("__name__", "")).partition(".")[0]
        if top not in _LIBRARIES and top not in sys.stdlib_module_names:
            return True
    return False


def _frames(error: BaseException) -> Iterator[TracebackType]:
    tb = error.__traceback__
    while tb is not None:
        yield tb
        tb = tb.tb_next


def _dashed(name: str) -> str:
    return name.replace("_", "-")
