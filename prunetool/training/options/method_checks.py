"""Criterion, pattern and allocation: which names go together.

``--pruning-fn`` names a criterion and a pattern in one word. Given beside ``--criterion`` or
``--pattern`` it must say the same.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from prunetool.errors import OptionError
from prunetool.suggest import did_you_mean

if TYPE_CHECKING:
    from prunetool.training.options.options import TrainOptions

MAGNITUDE, RANDOM, MOVEMENT = "magnitude", "random", "movement"
CRITERIA = (MAGNITUDE, RANDOM, "saliency", MOVEMENT)
ELEMENTS, CHANNELS = "elements", "channels"
GLOBAL, UNIFORM = "global", "uniform"
ALLOCATIONS = (GLOBAL, UNIFORM, "erk", "lamp")
# What each name of torch.nn.utils.prune stands for.
MEANING = {
    "l1_unstructured": (MAGNITUDE, ELEMENTS),
    "random_unstructured": (RANDOM, ELEMENTS),
    "ln_structured": (MAGNITUDE, CHANNELS),
    "random_structured": (RANDOM, CHANNELS),
}
_NORMS = ("inf", "-inf", "fro", "nuc")
_GROUPS = re.compile(r"(\d+):(\d+)")
# Rounding of 1 - N/M, not a wish for more than the pattern can take.
ROUNDING = 1e-9


def check_method(options: TrainOptions) -> None:
    """Check what is removed together, by which score, and how it is shared out.

    Raises:
        OptionError: naming the option, what is wrong with it and what to do.
    """
    if own_method(options) is not None:
        _check_alone(options)
    else:
        _check_names(options)
    _check_channels(options)
    _check_groups(options)
    _check_allocation(options)


def own_method(options: TrainOptions) -> str | None:
    """The import path of the user's own BasePruningMethod, or None."""
    name = options.pruning_fn
    return name if name is not None and (":" in name or "." in name) else None


def criterion_of(options: TrainOptions) -> str:
    """The score, by whichever name it was given."""
    return options.criterion or _named(options)[0]


def pattern_of(options: TrainOptions) -> str:
    """What is removed together, by whichever name it was given."""
    return options.pattern or _named(options)[1]


def groups_of(pattern: str | None) -> tuple[int, int] | None:
    """Read ``"2:4"`` as (2, 4): of 4 in a row at most 2 are kept; None for another pattern.

    Raises:
        OptionError: if the numbers are no such pattern.
    """
    found = _GROUPS.fullmatch(pattern) if isinstance(pattern, str) else None
    if found is None:
        return None
    kept, size = int(found[1]), int(found[2])
    if not 0 < kept < size:
        raise OptionError(
            f"--pattern {pattern}: keeps {kept} of each {size}; expected N:M with 0 < N < M, "
            f"such as 2:4"
        )
    return kept, size


def _named(options: TrainOptions) -> tuple[str, str]:
    return MEANING.get((options.pruning_fn or "").lower(), (MAGNITUDE, ELEMENTS))


def _check_names(options: TrainOptions) -> None:
    name = options.pruning_fn
    if name is not None and name.lower() not in MEANING:
        raise OptionError(
            f"--pruning-fn {name}: expected {', '.join(MEANING)} or the import path of a "
            f"BasePruningMethod subclass{did_you_mean(name, MEANING)}"
        )
    check_choice("--criterion", options.criterion, CRITERIA)
    check_choice("--allocation", options.allocation, ALLOCATIONS)
    if options.pattern not in (None, ELEMENTS, CHANNELS) and groups_of(options.pattern) is None:
        raise OptionError(
            f"--pattern {options.pattern}: expected elements, channels, or N:M such as 2:4"
        )
    if name is None:
        return
    for flag, given, meant in zip(
        ("--criterion", "--pattern"), (options.criterion, options.pattern), _named(options),
        strict=True,
    ):  # fmt: skip
        if given is not None and given != meant:
            raise OptionError(
                f"{flag} {given}: --pruning-fn {name} means {meant}; leave --pruning-fn out"
            )


def check_choice(flag: str, value: str | None, names: tuple[str, ...], path: str = "") -> None:
    """Allow one of ``names``, and an import path where ``path`` says what it may lead to.

    Raises:
        OptionError: with the names, and the closest of them.
    """
    if value is None or value in names or (path and (":" in value or "." in value)):
        return
    others = f", or the import path of {path}" if path else ""
    raise OptionError(
        f"{flag} {value}: expected one of {', '.join(names)}{others}{did_you_mean(value, names)}"
    )


def _check_alone(options: TrainOptions) -> None:
    given = {
        "--criterion": options.criterion,
        "--pattern": options.pattern,
        "--allocation": options.allocation,
        "--max-layer-sparsity": options.max_layer_sparsity,
        "--min-layer-density": options.min_layer_density,
    }
    for flag, value in given.items():
        if value is not None:
            raise OptionError(
                f"{flag} {value}: --pruning-fn {options.pruning_fn} decides that itself; "
                f"leave one of the two out"
            )


def _check_channels(options: TrainOptions) -> None:
    if own_method(options) is not None or pattern_of(options) != CHANNELS:
        for flag, value in (("--dim", options.dim), ("--norm", options.norm)):
            if value is not None:
                raise OptionError(
                    f"{flag} {value}: only channels have one; add --pattern channels "
                    f"(or --pruning-fn ln_structured or random_structured)"
                )
        return
    name = options.pruning_fn
    what = f"--pruning-fn {name}" if name is not None else "--pattern channels"
    if options.dim is None:
        raise OptionError(f"{what}: needs --dim (0 for output channels)")
    if options.norm is None:
        if name is not None and name.lower() == "ln_structured":
            raise OptionError(f"{what}: needs --norm (a number, inf, -inf, fro or nuc)")
    elif isinstance(options.norm, str) and options.norm not in _NORMS:
        raise OptionError(
            f"--norm {options.norm}: expected a number, 'inf', '-inf', 'fro' or 'nuc'"
        )
    elif criterion_of(options) != MAGNITUDE:
        raise OptionError(
            f"--norm {options.norm}: is the magnitude of a channel; --criterion "
            f"{criterion_of(options)} has none; leave --norm out"
        )


def _check_groups(options: TrainOptions) -> None:
    groups = groups_of(options.pattern)
    if groups is None:
        if options.skip_unfit:
            raise OptionError(
                "--skip-unfit: only an N:M pattern can misfit a shape; add --pattern 2:4"
            )
        return
    limit = 1 - groups[0] / groups[1]
    if options.sparsity is not None and options.sparsity > limit + ROUNDING:
        raise OptionError(
            f"--sparsity {options.sparsity}: --pattern {options.pattern} removes {limit:g} at "
            f"most; give --sparsity {limit:g} or less, or leave it out"
        )


def _check_allocation(options: TrainOptions) -> None:
    allocation = options.allocation
    if allocation is None:
        return
    if options.global_ is not None and allocation != (GLOBAL if options.global_ else UNIFORM):
        flag = "--global" if options.global_ else "--local"
        raise OptionError(f"{flag} and --allocation {allocation} contradict each other; drop one")
    if allocation == "lamp" and criterion_of(options) in (RANDOM, MOVEMENT):
        raise OptionError(
            f"--allocation lamp: compares squared scores, which those of --criterion "
            f"{criterion_of(options)} are not made for; choose magnitude or saliency, or "
            f"--allocation erk"
        )
