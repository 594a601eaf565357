"""From the options of lottery tickets to the rounds of a run."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from prunetool.errors import OptionError, UserCodeError
from prunetool.pruning.schedules import Schedule, sparsity_at
from prunetool.training.options.option_checks import is_number
from prunetool.training.options.options import TrainOptions
from prunetool.training.options.pruning_options import schedule_of
from prunetool.training.rounds import (
    DEFAULT_SCHEDULE,
    Curve,
    Retrain,
    Rounds,
    default_count,
    sparsities,
)

ONE_SHOT = "one-shot"


def rounds_of(options: TrainOptions) -> Rounds:
    """Work out the rounds; a run without ``--lottery-ticket`` is one.

    Raises:
        OptionError: if the schedule gives something else than fractions.
        TargetError, UserCodeError: if the schedule's function cannot be imported.
    """
    if not options.in_rounds:
        return Rounds(1)
    common: dict[str, Any] = {
        "retrain": Retrain(options.retrain or Retrain.WEIGHTS.value),
        "rewind_step": options.rewind_step,
        "resample": options.resample,
        "shuffle": options.shuffle_masks,
    }
    if options.sparsity is None:
        assert options.rounds is not None
        assert not isinstance(options.amount, str)
        return Rounds(options.rounds, amount=options.amount, **common)
    target = float(options.sparsity)
    curve = _curve(options, target)
    if options.rounds is not None:
        count = options.rounds
    else:
        count = 2 if options.schedule == ONE_SHOT else default_count(target, curve)
    return Rounds(count, sparsities(count, target, curve), **common)


def _curve(options: TrainOptions, target: float) -> Curve:
    schedule = schedule_of(options, default=DEFAULT_SCHEDULE)
    if isinstance(schedule, str):
        return partial(sparsity_at, Schedule(schedule), target=target)
    return partial(_share_of, schedule, options.schedule or "", target)


def _share_of(
    function: Callable[[float], float], path: str, target: float, progress: float
) -> float:
    try:
        share = function(progress)
    except Exception as error:
        raise UserCodeError(f"calling {path}") from error
    if not is_number(share) or not 0 <= share <= 1:
        raise OptionError(
            f"--schedule {path}: gave {share!r} at progress {progress:g}; expected the fraction of "
            f"--sparsity that is due, in [0, 1]"
        )
    return target * share
