"""From the pruning options to a ``ModelPruning`` callback."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from prunetool.errors import OptionError
from prunetool.suggest import did_you_mean
from prunetool.training.epochs import is_epochs, parse_epochs
from prunetool.training.importing import import_object
from prunetool.training.options import TrainOptions
from prunetool.training.trees import is_misconfiguration

if TYPE_CHECKING:
    from torch import Tensor

    from prunetool.callback import ModelPruning

_STRUCTURED = ("ln_structured", "random_structured")
_METHODS = ("l1_unstructured", "random_unstructured", *_STRUCTURED)
_PARAMETER_NAMES = ("weight", "bias")
# How the callback's messages begin where they are about one of its arguments.
_ARGUMENT = re.compile(r"^(start|end|every|include|exclude|`(amount|schedule|sparsity)`)(?=[: ])")


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

    _check_tickets(options)
    build = partial(
        ModelPruning,
        _method(options),
        parameter_names=_parameter_names(options),
        use_global_unstructured=_is_global(options),
        amount=_amount(options),
        apply_pruning=_of_the_epoch("--apply-pruning", options.apply_pruning, options),
        make_pruning_permanent=options.permanent,
        use_lottery_ticket_hypothesis=_of_the_epoch(
            "--lottery-epochs", options.lottery_ticket, options
        ),
        resample_parameters=options.resample,
        pruning_dim=options.dim,
        pruning_norm=options.norm,
        verbose=verbose,
        sparsity=options.sparsity,
        schedule=options.schedule,
        start=options.start,
        end=options.end,
        every=options.every,
        include=options.include,
        exclude=options.exclude,
        default_targets="matrices",
        rewind_step=options.rewind_step,
        prune_before_validation=True,
    )
    callback = _checked(build)
    callback.initial_masks = masks
    return callback


def _checked(build: Callable[[], ModelPruning]) -> ModelPruning:
    try:
        return build()
    except Exception as error:
        if is_misconfiguration(error) or isinstance(error, ValueError):
            raise OptionError(as_option(str(error))) from error
        raise


def as_option(message: str) -> str:
    """Name an argument of the callback as the option that it was given by."""
    return _ARGUMENT.sub(lambda found: "--" + found[0].strip("`").replace("_", "-"), message)


def _method(options: TrainOptions) -> Any:
    name = options.pruning_fn
    if name.lower() in _METHODS:
        _check_structure(name.lower(), options)
        return name.lower()
    if ":" not in name and "." not in name:
        raise OptionError(
            f"--pruning-fn {name}: expected {', '.join(_METHODS)} or the import path of a "
            f"BasePruningMethod subclass{did_you_mean(name, _METHODS)}"
        )
    return import_object(name, app_dir=options.app_dir, example="Method")


def _check_structure(name: str, options: TrainOptions) -> None:
    if name not in _STRUCTURED:
        for option, value in (("--dim", options.dim), ("--norm", options.norm)):
            if value is not None:
                raise OptionError(
                    f"{option} {value}: only {' and '.join(_STRUCTURED)} have channels; "
                    f"add one of them as --pruning-fn"
                )
        return
    if options.global_:
        raise OptionError(f"--pruning-fn {name}: channels are pruned tensor by tensor: --local")
    if options.dim is None:
        raise OptionError(f"--pruning-fn {name}: needs --dim (0 for output channels)")
    if name == "ln_structured" and options.norm is None:
        raise OptionError(f"--pruning-fn {name}: needs --norm (a number, inf, fro or nuc)")


def _check_tickets(options: TrainOptions) -> None:
    if options.lottery_ticket is not False:
        return
    for option, given in (("--rewind-step", options.rewind_step), ("--resample", options.resample)):
        if given:
            raise OptionError(f"{option}: belongs to lottery tickets; add --lottery-ticket")


def _is_global(options: TrainOptions) -> bool:
    """Unless told, elements compete across all tensors, and channels inside each."""
    if options.global_ is not None:
        return options.global_
    return options.pruning_fn.lower() not in _STRUCTURED


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
    return _callable("--amount", options.amount, options, "a number, or")


def _of_the_epoch(option: str, value: bool | int | str, options: TrainOptions) -> Any:
    if isinstance(value, bool):
        return value
    text = str(value)
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    if is_epochs(text):
        return ChosenEpochs(parse_epochs(text, option=option))
    return _callable(option, text, options, "true, false, epochs as 2-10/2,15, or")


def _callable(option: str, path: str, options: TrainOptions, others: str) -> Callable[[int], Any]:
    wanted = f"expected {others} the import path of a function of the epoch"
    if ":" not in path and "." not in path:
        raise OptionError(f"{option} {path}: {wanted}")
    found = import_object(path, app_dir=options.app_dir, example="function")
    if not callable(found):
        raise OptionError(f"{option} {path}: {wanted}; got a {type(found).__name__}")
    return found  # type: ignore[no-any-return]


@dataclass(frozen=True)
class ChosenEpochs:
    """A function of the epoch (from 0, as Lightning counts) that says whether it was chosen."""

    epochs: frozenset[int]

    def __call__(self, epoch: int) -> bool:
        """Say whether ``epoch`` was chosen."""
        return epoch in self.epochs
