"""Everything that decides a training run, as plain values: what ``config.yaml`` holds.

The command line and a config file are merged into one `TrainOptions`; what a value means is
resolved where it is used (``pruning_options.py``, ``trainer.py``).
"""

from __future__ import annotations

import math
import types
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Union, get_args, get_origin, get_type_hints

from prunetool.errors import OptionError
from prunetool.suggest import did_you_mean

DEFAULT_SPARSITY = 0.5
DEFAULT_EPOCHS = 10
SCHEDULES = ("one-shot", "linear", "cubic", "exponential")


@dataclass(frozen=True)
class TrainOptions:
    """One run; every attribute is named as its option is, with ``_`` for ``-``.

    Attributes:
        target: import path or checkpoint.
        sparsity: fraction removed in the end, in [0, 1); None where ``amount`` counts.
        amount: what each event removes of what remains: a fraction in [0, 1], a number of
            elements, or the import path of a callable of the epoch.
        start, end, every: epochs, or optimizer steps as ``"500s"``.
        apply_pruning: ``true``, ``false``, epochs as ``"2-10/2,15"``, or an import path.
        lottery_ticket: likewise.
        trainer: further arguments of the Trainer.
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
    pruning_fn: str = "l1_unstructured"
    dim: int | None = None
    norm: int | float | str | None = None
    pattern: str | None = None
    amount: int | float | str | None = None
    sparsity: int | float | None = None
    schedule: str = "cubic"
    start: int | str | None = None
    end: int | str | None = None
    every: int | str | None = None
    apply_pruning: bool | int | str = True
    lottery_ticket: bool | int | str = False
    rewind_step: int = 0
    resample: bool = False
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

    def as_config(self) -> dict[str, Any]:
        """The values by option name, as YAML can hold them."""
        return {option_key(f.name): _listed(getattr(self, f.name)) for f in fields(self) if f.init}


def option_key(name: str) -> str:
    """The key of an attribute in a config file (``global_`` is no keyword there)."""
    return name.rstrip("_")


def from_values(values: Mapping[str, Any]) -> TrainOptions:
    """Check plain values and fill in the defaults.

    Args:
        values: by option name, ``_`` for ``-``; None means not given.

    Raises:
        OptionError: for an unknown name, a value of another type or outside its interval, or
            options that exclude each other.
    """
    given = {key: value for key, value in values.items() if value is not None}
    known = {option_key(f.name): f.name for f in fields(TrainOptions)}
    for key in given:
        if key not in known:
            raise OptionError(f"no option '{key}'{did_you_mean(key, known)}")
    if "target" not in given:
        raise OptionError("TARGET is missing: give pkg.mod:Class, path/file.py:Class or a file")
    hints = get_type_hints(TrainOptions)
    attributes = {known[key]: _typed(key, v, hints[known[key]]) for key, v in given.items()}
    return _with_defaults(attributes)


def _with_defaults(attributes: dict[str, Any]) -> TrainOptions:
    if "amount" in attributes and "sparsity" in attributes:
        raise OptionError(
            "--amount and --sparsity exclude each other: --sparsity is the share removed in the "
            "end, --amount the share of the rest that each event removes"
        )
    if "amount" not in attributes:
        attributes.setdefault("sparsity", DEFAULT_SPARSITY)
    if "max_steps" not in attributes:
        attributes.setdefault("max_epochs", DEFAULT_EPOCHS)
    options = TrainOptions(**attributes)
    _check_intervals(options)
    return options


_EXPECTED = {"sparsity": "a fraction in [0, 1), such as 0.9"}


def _check_intervals(options: TrainOptions) -> None:
    if options.pattern is not None:
        raise OptionError(f"--pattern {options.pattern}: not available yet")
    if options.schedule not in SCHEDULES:
        hint = did_you_mean(options.schedule, SCHEDULES)
        raise OptionError(
            f"--schedule {options.schedule}: expected one of {', '.join(SCHEDULES)}{hint}"
        )
    if options.sparsity is not None and not 0 <= options.sparsity < 1:
        raise OptionError(f"--sparsity {options.sparsity}: expected {_EXPECTED['sparsity']}")
    if isinstance(options.amount, float) and not 0 <= options.amount <= 1:
        raise OptionError(f"--amount {options.amount}: expected a fraction in [0, 1], or an int")
    for name in ("amount", "rewind_step", "seed"):
        value = getattr(options, name)
        if isinstance(value, int) and value < 0:
            raise OptionError(f"{_flag(name)} {value}: expected 0 or more")
    for name in ("max_epochs", "max_steps", "num_nodes"):
        value = getattr(options, name)
        if value is not None and value < 1:
            raise OptionError(f"{_flag(name)} {value}: expected 1 or more")


def _typed(key: str, value: Any, hint: Any) -> Any:
    """Check a value against its attribute's type; lists become tuples, ints floats, as needed."""
    for choice in get_args(hint) if get_origin(hint) in (types.UnionType, Union) else (hint,):
        origin = get_origin(choice) or choice
        if origin is tuple and isinstance(value, list | tuple):
            if all(isinstance(item, str) for item in value):
                return tuple(value)
        elif origin is float and _is_number(value):
            return value if isinstance(value, int) else float(value)
        elif isinstance(value, origin) and not (isinstance(value, bool) and origin is int):
            return dict(value) if origin is dict else value
    expected = _EXPECTED.get(key) or _in_words(hint)
    raise OptionError(f"{_flag(key)} {value}: expected {expected}")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and not math.isnan(value)


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


def _flag(name: str) -> str:
    return "--" + option_key(name).replace("_", "-")


def _listed(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
