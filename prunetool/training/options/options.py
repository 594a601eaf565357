"""Everything that decides a training run, as plain values: what ``config.yaml`` holds.

The command line and a config file are merged into one `TrainOptions`; what a value means is
resolved where it is used (``pruning_options.py``, ``trainer.py``).
"""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Union, get_args, get_origin, get_type_hints

from prunetool.errors import OptionError
from prunetool.suggest import did_you_mean
from prunetool.training.options.option_checks import EXPECTED, check, groups_of, is_number
from prunetool.training.options.origins import Origins, flag_of

DEFAULT_SPARSITY = 0.5
DEFAULT_EPOCHS = 10


@dataclass(frozen=True)
class TrainOptions:
    """One run; every attribute is named as its option is, with ``_`` for ``-``.

    Attributes:
        target: import path or checkpoint.
        sparsity: fraction removed in the end, in [0, 1); None where ``amount`` counts.
        amount: what each event removes of what remains: a fraction in [0, 1], a number of
            elements, or the import path of a callable of the epoch.
        start, end, every: epochs, or optimizer steps as ``"500s"``.
        pruning_fn, criterion, pattern, allocation: None where nothing was said; what the four
            then mean together is in ``pruning_options.py``.
        max_layer_sparsity, min_layer_density: no tensor is pruned beyond, in (0, 1] and [0, 1).
        schedule: a name, or the import path of a function of the progress; None where nothing
            was said: cubic, and exponential from round to round.
        apply_pruning: ``true``, ``false``, epochs as ``"2-10/2,15"``, or an import path.
        lottery_ticket: True trains in rounds; epochs, ``"all"`` or an import path reset within
            one training.
        rounds: trainings, at least 2; None for as many as ``rounds.py`` finds right.
        retrain: what a round begins with; None for ``"weights"``.
        model_arg, data_arg: by name; a value may be an object as ``{class_path, init_args}``.
        optimizer, lr_scheduler: ``{class_path, init_args}`` of what takes the place of the model's
            ``configure_optimizers``, as in LightningCLI.
        ckpt_path: a checkpoint of no run, whose state the run goes on with.
        trainer: further arguments of the Trainer; objects likewise.
        origins: where the values were given; no part of the run.
        logger: ``"csv"``, ``"tensorboard"`` or ``"none"``.
    """

    target: str
    model: str | None = None
    model_arg: dict[str, Any] = field(default_factory=dict)
    data: str | None = None
    data_arg: dict[str, Any] = field(default_factory=dict)
    app_dir: str = "."
    masks_from_zeros: bool = False
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    parameter_names: tuple[str, ...] = ()
    global_: bool | None = None
    allocation: str | None = None
    max_layer_sparsity: int | float | None = None
    min_layer_density: int | float | None = None
    pruning_fn: str | None = None
    criterion: str | None = None
    pattern: str | None = None
    dim: int | None = None
    norm: int | float | str | None = None
    skip_unfit: bool = False
    amount: int | float | str | None = None
    sparsity: int | float | None = None
    schedule: str | None = None
    start: int | str | None = None
    end: int | str | None = None
    every: int | str | None = None
    apply_pruning: bool | int | str = True
    lottery_ticket: bool | int | str = False
    rounds: int | None = None
    retrain: str | None = None
    rewind_step: int = 0
    resample: bool = False
    shuffle_masks: bool = False
    permanent: bool = True
    max_epochs: int | None = None
    max_steps: int | None = None
    accelerator: str = "auto"
    devices: int | str | list[int] = "auto"
    num_nodes: int = 1
    strategy: str = "auto"
    precision: int | str | None = None
    seed: int = 0
    trainer: dict[str, Any] = field(default_factory=dict)
    monitor: str | None = None
    logger: str = "none"
    optimizer: dict[str, Any] | None = None
    lr_scheduler: dict[str, Any] | None = None
    ckpt_path: str | None = None
    origins: Origins = field(default=Origins(), compare=False, repr=False)

    @property
    def in_rounds(self) -> bool:
        """Whether this is a lottery ticket of several trainings."""
        return self.lottery_ticket is True

    def as_config(self) -> dict[str, Any]:
        """The values by option name, as YAML can hold them."""
        return {key: _listed(getattr(self, name)) for key, name in _known().items()}


def option_key(name: str) -> str:
    """The key of an attribute in a config file (``global_`` is no keyword there)."""
    return name.rstrip("_")


def option_keys() -> list[str]:
    """The keys of all options."""
    return list(_known())


def _known() -> dict[str, str]:
    """The attributes that are options, by key."""
    return {option_key(f.name): f.name for f in fields(TrainOptions) if f.name != "origins"}


Complaint = Callable[[str, Any, str], str]


def _of_an_option(key: str, value: Any, expected: str) -> str:
    return f"{flag_of(key)} {value}: expected {expected}"


def from_values(values: Mapping[str, Any], *, complaint: Complaint = _of_an_option) -> TrainOptions:
    """Check plain values and fill in the defaults.

    Args:
        values: by option name, ``_`` for ``-``; None means not given.
        complaint: words the refusal of a key's value, given what was expected.

    Raises:
        OptionError: for an unknown name, a value of another type or outside its interval, or
            options that exclude each other.
    """
    given = {key: value for key, value in values.items() if value is not None}
    known = _known()
    for key in given:
        if key not in known:
            raise OptionError(f"no option '{key}'{did_you_mean(key, known)}")
    if "target" not in given:
        raise OptionError("TARGET is missing: give pkg.mod:Class, path/file.py:Class or a file")
    hints = get_type_hints(TrainOptions)
    attributes = {
        known[key]: _typed(key, value, hints[known[key]], complaint) for key, value in given.items()
    }
    return _with_defaults(attributes)


def _with_defaults(attributes: dict[str, Any]) -> TrainOptions:
    if "amount" in attributes and "sparsity" in attributes:
        raise OptionError(
            "--amount and --sparsity exclude each other: --sparsity is the share removed in the "
            "end, --amount the share of the rest that each event removes"
        )
    if "amount" not in attributes:
        attributes.setdefault("sparsity", _default_sparsity(attributes.get("pattern")))
    if "max_steps" not in attributes:
        attributes.setdefault("max_epochs", DEFAULT_EPOCHS)
    options = TrainOptions(**attributes)
    check(options)
    return options


def _default_sparsity(pattern: str | None) -> float:
    """All that an N:M pattern can take; half of the weights otherwise."""
    groups = groups_of(pattern)
    return DEFAULT_SPARSITY if groups is None else 1 - groups[0] / groups[1]


def _typed(key: str, value: Any, hint: Any, complaint: Complaint) -> Any:
    """Check a value against its attribute's type; lists become tuples, ints floats, as needed."""
    for choice in get_args(hint) if get_origin(hint) in (types.UnionType, Union) else (hint,):
        origin = get_origin(choice) or choice
        if origin is tuple and isinstance(value, list | tuple):
            if all(isinstance(item, str) for item in value):
                return tuple(value)
        elif origin is float and is_number(value):
            return value if isinstance(value, int) else float(value)
        elif isinstance(value, origin) and not (isinstance(value, bool) and origin is int):
            return dict(value) if origin is dict else value
    raise OptionError(complaint(key, value, EXPECTED.get(key) or _in_words(hint)))


def _in_words(hint: Any) -> str:
    words = {
        bool: "true or false",
        int: "an integer",
        float: "a number",
        str: "text",
        tuple: "a list of names",
        dict: "KEY=VALUE",
        list: "a list of integers",
    }
    choices = get_args(hint) if get_origin(hint) in (types.UnionType, Union) else (hint,)
    names = [words[get_origin(c) or c] for c in choices if c is not type(None)]
    return " or ".join(names)


def _listed(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
