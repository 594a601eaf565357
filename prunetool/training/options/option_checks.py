"""Which values mean nothing, and which options do not go together: refused before any work.

Each refusal is one line: what, why, and what to do instead. What the method's names mean together
is in ``method_checks.py``.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from prunetool.errors import OptionError
from prunetool.training.building.strategies import check_strategy
from prunetool.training.options.method_checks import ROUNDING, check_choice, check_method, groups_of
from prunetool.training.options.origins import flag_of

if TYPE_CHECKING:
    from prunetool.training.options.options import TrainOptions

__all__ = ["EXPECTED", "check", "flag_of", "groups_of", "is_number"]

SCHEDULES = ("one-shot", "linear", "cubic", "exponential")
LOGGERS = ("csv", "tensorboard", "none")
RETRAIN = ("weights", "lr", "finetune")
_LARGEST_SEED = 2**32 - 1  # numpy's
EXPECTED = {
    "sparsity": "a fraction in [0, 1), such as 0.9",
    "max_layer_sparsity": "a fraction in (0, 1], such as 0.99",
    "min_layer_density": "a fraction in [0, 1), such as 0.01",
    "pattern": "elements, channels, or N:M such as '2:4'",
}


def check(options: TrainOptions) -> None:
    """Check every interval and combination that needs nothing but the options.

    Raises:
        OptionError: naming the option, what is wrong with it and what to do.
    """
    _check_intervals(options)
    check_choice("--schedule", options.schedule, SCHEDULES, "a function of the progress in [0, 1]")
    check_choice("--retrain", options.retrain, RETRAIN)
    check_choice("--logger", options.logger, LOGGERS)
    given = options.trainer.get("logger")
    if options.logger != "none" and isinstance(given, bool):
        raise OptionError(
            f"--logger {options.logger} and --trainer logger={given}: two answers to one question; "
            f"leave one of the two out"
        )
    check_method(options)
    check_strategy(options.strategy)
    _check_bounds(options)
    _check_amount(options)
    if options.in_rounds:
        _check_rounds(options)
    else:
        _check_without_rounds(options)


def is_number(value: Any) -> bool:
    """Whether ``value`` is an int or a float that can be compared."""
    return isinstance(value, int | float) and not isinstance(value, bool) and not math.isnan(value)


def _check_intervals(options: TrainOptions) -> None:
    upper = options.max_layer_sparsity
    for name, fits in (
        ("sparsity", options.sparsity is None or 0 <= options.sparsity < 1),
        ("max_layer_sparsity", upper is None or 0 < upper <= 1),
        ("min_layer_density", 0 <= (options.min_layer_density or 0) < 1),
    ):
        if not fits:
            value = getattr(options, name)
            raise OptionError(f"{flag_of(name)} {value}: expected {EXPECTED[name]}")
    if isinstance(options.amount, float) and not 0 <= options.amount <= 1:
        raise OptionError(f"--amount {options.amount}: expected a fraction in [0, 1], or an int")
    least = {"amount": 0, "rewind_step": 0, "seed": 0, "max_epochs": 1, "max_steps": 1,
             "num_nodes": 1, "rounds": 2}  # fmt: skip
    for name, minimum in least.items():
        value = getattr(options, name)
        if isinstance(value, int) and value < minimum:
            raise OptionError(f"{flag_of(name)} {value}: expected {minimum} or more")
    if options.seed > _LARGEST_SEED:
        raise OptionError(f"--seed {options.seed}: expected {_LARGEST_SEED} or less")


def _check_bounds(options: TrainOptions) -> None:
    bounds = {
        f"--max-layer-sparsity {options.max_layer_sparsity}": options.max_layer_sparsity,
        f"--min-layer-density {options.min_layer_density}": 1 - (options.min_layer_density or 0),
    }
    for flag, most in bounds.items():
        if most is not None and (options.sparsity or 0) > most + ROUNDING:
            raise OptionError(
                f"{flag}: allows every tensor {most:g} at most, so --sparsity {options.sparsity} "
                f"cannot be reached; give --sparsity {most:g} or less, or loosen the bound"
            )


def _check_amount(options: TrainOptions) -> None:
    if options.amount is not None and options.schedule is not None:
        raise OptionError(
            f"--schedule {options.schedule}: is the way to a --sparsity; with --amount every event "
            f"removes the same, so leave one of the two out"
        )


def _check_rounds(options: TrainOptions) -> None:
    for name in ("start", "end", "every"):
        if getattr(options, name) is not None:
            raise OptionError(
                f"{flag_of(name)}: a --lottery-ticket is pruned between its rounds, each "
                f"--max-epochs long; leave it out, or reset within one training: --lottery-epochs"
            )
    if options.apply_pruning is not True:
        raise OptionError(
            f"--apply-pruning {options.apply_pruning}: a --lottery-ticket is pruned between its "
            f"rounds; leave it out, or reset within one training: --lottery-epochs"
        )
    if options.sparsity == 0:
        raise OptionError("--sparsity 0: leaves nothing to find a --lottery-ticket in; give more")
    if options.amount is not None:
        _check_amount_of_rounds(options)
    if options.schedule == "one-shot" and (options.rounds or 2) > 2:
        raise OptionError(
            f"--rounds {options.rounds}: --schedule one-shot prunes once, which is --rounds 2; "
            f"choose another schedule"
        )
    _check_controls(options)


def _check_amount_of_rounds(options: TrainOptions) -> None:
    if isinstance(options.amount, str):
        raise OptionError(
            f"--amount {options.amount}: a --lottery-ticket prunes the same between any two "
            f"rounds; give a number, or --sparsity with a function as --schedule"
        )
    if options.rounds is None:
        raise OptionError(
            f"--amount {options.amount}: how often? add --rounds, or give --sparsity instead"
        )


def _check_controls(options: TrainOptions) -> None:
    retrain = options.retrain or "weights"
    for name in ("resample", "shuffle_masks"):
        if getattr(options, name) and retrain != "weights":
            raise OptionError(
                f"{flag_of(name)}: a control for rewound weights; with --retrain {retrain} nothing "
                f"is rewound to; leave one of the two out"
            )
    if options.resample and options.rewind_step:
        raise OptionError(
            f"--resample: draws initial weights anew, which --rewind-step {options.rewind_step} "
            f"does not go back to; leave one of the two out"
        )
    if retrain == "finetune" and options.rewind_step:
        raise OptionError(
            "--rewind-step: --retrain finetune goes back to no step; choose --retrain weights or lr"
        )


def _check_without_rounds(options: TrainOptions) -> None:
    in_fit = options.lottery_ticket is not False
    for name in ("rounds", "retrain", "shuffle_masks", "rewind_step", "resample"):
        if not getattr(options, name):
            continue
        if not in_fit:
            raise OptionError(f"{flag_of(name)}: belongs to lottery tickets; add --lottery-ticket")
        if name not in ("rewind_step", "resample"):
            raise OptionError(
                f"{flag_of(name)}: belongs to a ticket of several trainings; --lottery-ticket "
                f"alone makes one, with epochs or a function it resets within one training"
            )
