"""From what was typed to what is meant: the options of a run, and where it goes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from prunetool.errors import OptionError
from prunetool.training.options.config import merged_options
from prunetool.training.options.options import TrainOptions, option_key
from prunetool.training.options.values import load_yaml, parse_pairs
from prunetool.training.resuming.foreign import is_in_no_run, state_in
from prunetool.training.resuming.resuming import resume
from prunetool.training.run import Place

_PAIRS = ("model_arg", "data_arg", "trainer")
# Numbers where they look like numbers, text otherwise ("500s", "auto", "16-mixed", a path).
_SCALARS = ("amount", "sparsity", "norm", "start", "end", "every", "devices")
_NOT_OPTIONS = ("output", "resume", "config", "force", "verbose", "quiet", "lottery_epochs", "form")


def options_from(typed: Mapping[str, Any]) -> TrainOptions:
    """Merge the command line over ``--config``.

    Args:
        typed: the command's parameters that were given, by name.

    Raises:
        OptionError: for an option that means nothing.
    """
    values = _values(typed)
    if typed.get("resume"):
        values["ckpt_path"] = typed["target"]
    return merged_options(typed.get("config", ()), values)


def options_to_print(typed: Mapping[str, Any]) -> TrainOptions:
    """The options that ``--print-config`` shows; the target is ``""`` where none is named.

    Raises:
        OptionError: for an option that means nothing, or ``--resume``.
    """
    if typed.get("resume"):
        raise OptionError("--print-config and --resume: the run's config.yaml is in its folder")
    return merged_options(typed.get("config", ()), _values(typed), target="")


def place_from(typed: Mapping[str, Any]) -> Place:
    """Decide whether this is a new run or an old one, and where.

    Raises:
        OptionError: if the options contradict each other, or there is no run to resume.
        CheckpointError: if the checkpoint to resume from cannot be read.
    """
    output = typed.get("output")
    if not typed.get("resume"):
        state = _state_of_config(typed) if "config" in typed else None
        return Place(output=output, force=bool(typed.get("force")), state=state)
    if "target" not in typed:
        raise OptionError("--resume: TARGET is missing: give a run folder or a checkpoint in one")
    if is_in_no_run(Path(typed["target"])):
        state = state_in(Path(typed["target"]), options_from(typed))
        return Place(output=output, force=bool(typed.get("force")), state=state)
    for name in ("output", "config", "force"):
        if typed.get(name):
            raise OptionError(f"--{name} and --resume: a resumed run goes on in its own folder")
    return Place(resumed=resume(typed["target"], _values(typed)))


def _state_of_config(typed: Mapping[str, Any]) -> Path | None:
    options = options_from(typed)
    if options.ckpt_path is None:
        return None
    given = options.origins.of_section("ckpt_path")
    return state_in(Path(options.ckpt_path), options, given=given)


def _values(typed: Mapping[str, Any]) -> dict[str, Any]:
    values = {
        option_key(name): _value(name, value)
        for name, value in typed.items()
        if name not in _NOT_OPTIONS
    }
    if "callbacks" in values.get("trainer", {}):
        raise OptionError(
            "--trainer callbacks: is set by prunetool itself; callbacks of your own go into a "
            "--config FILE, as trainer: {callbacks: [{class_path: ..., init_args: ...}]}"
        )
    if "lottery_epochs" in typed:
        if typed.get("lottery_ticket") is False:
            raise OptionError("--lottery-epochs and --no-lottery-ticket exclude each other")
        values["lottery_ticket"] = typed["lottery_epochs"]
    return values


def _value(name: str, value: Any) -> Any:
    if name in _PAIRS:
        return parse_pairs(value, option=f"--{name.replace('_', '-')}")
    if name == "parameter_names":
        return [part.strip() for part in value.split(",") if part.strip()]
    if name in _SCALARS:
        return _scalar(value)
    return value


def _scalar(text: str) -> Any:
    try:
        value = load_yaml(text)
    except yaml.YAMLError:
        return text
    return value if isinstance(value, int | float) and not isinstance(value, bool) else text
