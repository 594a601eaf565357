"""From the pruning options to a ``ModelPruning`` callback."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from prunetool.epochs import ChosenEpochs, is_epochs, parse_epochs
from prunetool.errors import OptionError
from prunetool.importing import import_object
from prunetool.training.building.trees import is_misconfiguration
from prunetool.training.options.functions import import_function
from prunetool.training.options.method_checks import (
    CHANNELS,
    GLOBAL,
    UNIFORM,
    own_method,
    pattern_of,
)
from prunetool.training.options.option_checks import SCHEDULES
from prunetool.training.options.options import TrainOptions, option_keys

if TYPE_CHECKING:
    from torch import Tensor

    from prunetool.callback import ModelPruning

T = TypeVar("T")

DEFAULT_METHOD = "l1_unstructured"
DEFAULT_SCHEDULE = "cubic"
_PARAMETER_NAMES = ("weight", "bias")
# How the callback's messages begin where they are about one of its arguments.
_ARGUMENT = re.compile(
    r"^(start|end|every|include|exclude|amount|schedule|sparsity|`(\w+)`)(?=[: ])"
)
# What they advise.
_MENTIONED = re.compile(r"(?<=\()exclude(?=\))|\bskip_unfit\b|(?<=\()max_layer_sparsity(?=\))")
# Its arguments whose options have another name.
_OPTION_NAMES = {"pruning_dim": "dim", "pruning_norm": "norm"}


def pruning_callback(
    options: TrainOptions, *, masks: dict[str, Tensor], verbose: int
) -> ModelPruning:
    """Build the callback; it prunes before validation, so that metrics belong to its weights.

    Args:
        options: the run.
        masks: what is pruned from the start, by parameter name; True where kept.
        verbose: 0, 1 or 2, as for the callback.

    Raises:
        OptionError: for a value that means nothing.
        TargetError: for an import path that leads nowhere.
        UserCodeError: if importing the user's code raises.
    """
    from prunetool.callback import ModelPruning

    build = partial(
        ModelPruning,
        _method(options),
        parameter_names=_parameter_names(options),
        use_global_unstructured=_is_global(options),
        make_pruning_permanent=options.permanent,
        pruning_dim=options.dim,
        pruning_norm=options.norm,
        verbose=verbose,
        criterion=options.criterion,
        pattern=options.pattern,
        allocation=_allocation(options),
        max_layer_sparsity=options.max_layer_sparsity,
        min_layer_density=options.min_layer_density,
        skip_unfit=options.skip_unfit,
        include=options.include,
        exclude=options.exclude,
        default_targets="matrices",
        prune_before_validation=True,
        **(_between_fits(options) if options.in_rounds else _within_a_fit(options)),
    )
    callback = checked(build)
    callback.initial_masks = masks
    return callback


def _within_a_fit(options: TrainOptions) -> dict[str, Any]:
    """When and how much, where the events are those of one training."""
    return {
        "amount": _amount(options),
        "apply_pruning": _of_the_epoch("--apply-pruning", options.apply_pruning, options),
        "use_lottery_ticket_hypothesis": _of_the_epoch(
            "--lottery-epochs", options.lottery_ticket, options
        ),
        "resample_parameters": options.resample,
        "sparsity": options.sparsity,
        "schedule": schedule_of(options, default=DEFAULT_SCHEDULE),
        "start": options.start,
        "end": options.end,
        "every": options.every,
        "rewind_step": options.rewind_step,
    }


def _between_fits(options: TrainOptions) -> dict[str, Any]:
    """No event of its own: the rounds are pruned from outside.

    A number of elements is passed on all the same: the callback refuses one that is too large
    before the first round, not after it.
    """
    number = options.amount if isinstance(options.amount, int) else 0
    return {"amount": number, "apply_pruning": False, "use_lottery_ticket_hypothesis": False}


def schedule_of(options: TrainOptions, *, default: str) -> str | Callable[[float], float]:
    """The curve: a name, or the user's function of the progress in [0, 1].

    Raises:
        OptionError, TargetError, UserCodeError: if it is neither.
    """
    name = options.schedule or default
    if name in SCHEDULES:
        return name
    return import_function(
        "--schedule",
        name,
        app_dir=options.app_dir,
        of="the progress in [0, 1]",
        others=", ".join(SCHEDULES),
    )


def checked(call: Callable[[], T]) -> T:
    """Call the pruning callback, or build it.

    Raises:
        OptionError: for what it complains about, in the words of the command line.
    """
    try:
        return call()
    except Exception as error:
        if is_misconfiguration(error) or isinstance(error, ValueError):
            raise OptionError(as_option(str(error))) from error
        raise


def as_option(message: str) -> str:
    """Name the arguments of the callback in a message as the options that they are given by."""
    message = _MENTIONED.sub(lambda found: _option(found[0]), message)
    found = _ARGUMENT.match(message)
    if found is None:
        return message
    name = found[2] or found[1]
    if name not in (*option_keys(), *_OPTION_NAMES):
        return message  # Lightning's own words
    return f"{_option(name)}{message[found.end() :]}"


def _option(argument: str) -> str:
    return "--" + _OPTION_NAMES.get(argument, argument).replace("_", "-")


def _method(options: TrainOptions) -> Any:
    path = own_method(options)
    if path is not None:
        return import_object(path, app_dir=options.app_dir, example="Method")
    return (options.pruning_fn or DEFAULT_METHOD).lower()


def _is_global(options: TrainOptions) -> bool:
    """Unless told, elements compete across all tensors, and channels inside each."""
    if pattern_of(options) == CHANNELS:
        return False
    return options.global_ is not False


def _allocation(options: TrainOptions) -> str | None:
    """The callback takes channels of all tensors together by this name alone."""
    if options.allocation is None and own_method(options) is None and options.global_ is not None:
        return GLOBAL if options.global_ else UNIFORM
    return options.allocation


def _parameter_names(options: TrainOptions) -> list[str] | None:
    for name in options.parameter_names:
        if name not in _PARAMETER_NAMES:
            raise OptionError(
                f"--parameter-names {name}: expected weight, bias or both (weight,bias); "
                f"for others use --include"
            )
    return list(options.parameter_names) or None


def _amount(options: TrainOptions) -> Any:
    if not isinstance(options.amount, str):
        return 0.5 if options.amount is None else options.amount
    return import_function(
        "--amount", options.amount, app_dir=options.app_dir, of="the epoch", others="a number"
    )


def _of_the_epoch(option: str, value: bool | int | str, options: TrainOptions) -> Any:
    if isinstance(value, bool):
        return value
    text = str(value)
    if text.lower() in ("true", "false", "all"):
        return text.lower() != "false"
    if is_epochs(text):
        return ChosenEpochs(parse_epochs(text, option=option))
    return import_function(
        option,
        text,
        app_dir=options.app_dir,
        of="the epoch",
        others="true, false, epochs as 2-10/2,15",
    )
