"""``config.yaml``: a run's options, written before it starts and read by ``--config``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from prunetool.checkpoints.writing import write_text
from prunetool.errors import OptionError
from prunetool.training.options.options import TrainOptions, from_values, option_keys
from prunetool.training.options.origins import BY_NAME, ELSEWHERE, Origins, flag_of, origins_of
from prunetool.training.options.sections import as_sections, from_sections
from prunetool.training.options.values import load_yaml

# What the command line gives replaces of a file: two answers to one question would contradict.
_REPLACES = {
    "amount": ("sparsity", "schedule"),
    "sparsity": ("amount",),
    "pruning_fn": ("criterion", "pattern"),
    "criterion": ("pruning_fn",),
    "pattern": ("pruning_fn",),
    "allocation": ("global",),
    "global": ("allocation",),
}
# Callbacks of Lightning that refuse a Trainer without a logger.
_NEED_A_LOGGER = ("LearningRateMonitor", "DeviceStatsMonitor", "ThroughputMonitor")


def config_of(options: TrainOptions) -> dict[str, Any]:
    """The whole run in the shape of a config file."""
    from prunetool.training.building.targets import is_checkpoint_path  # it imports torch

    is_checkpoint = options.model is not None or is_checkpoint_path(options.target)
    return as_sections(options.as_config(), is_checkpoint=is_checkpoint)


def write_config(path: Path, options: TrainOptions) -> None:
    """Write every option with the value that it has in this run.

    Raises:
        OutputError: if the file cannot be written.
    """
    head = f"# Repeat this run with: prunetool train --config {path}\n"
    values = config_of(options)
    write_text(path, head + yaml.safe_dump(values, sort_keys=False, allow_unicode=True))


def read_config(path: Path) -> dict[str, Any]:
    """Read what `write_config`, LightningCLI or a person wrote.

    Returns:
        Values by option name; types are checked by ``options.from_values``.

    Raises:
        OptionError: if the file is missing, is not YAML, or holds something else.
    """
    where = f"--config {path}"
    try:
        values = load_yaml(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise OptionError(f"{where}: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise OptionError(f"{where}: not YAML{_problem(error)}") from error
    if not isinstance(values, dict):
        raise OptionError(
            f"{where}: expected sections as LightningCLI writes them (model, data, trainer, ...) "
            f"and pruning; got {'nothing' if values is None else f'a {type(values).__name__}'}"
        )
    if isinstance(values.get("prunetool"), str):
        return _of_today({key: value for key, value in values.items() if key != "prunetool"})
    return from_sections(values, where, set(option_keys()) - ELSEWHERE)


def _problem(error: Exception) -> str:
    """Say where a file stops being YAML, and why."""
    if isinstance(error, UnicodeDecodeError):
        return f" (byte {error.start}): expected UTF-8"
    if isinstance(error, RecursionError):
        return ": nested too deeply"
    mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None)
    line = f" (line {mark.line + 1})" if mark is not None else ""
    if problem is not None and problem.startswith("but "):
        problem = f"{getattr(error, 'context', None)}, {problem}"
    return f"{line}: {problem or str(error).splitlines()[0]}"


def _of_today(values: dict[str, Any]) -> dict[str, Any]:
    """Read a file without sections, as prunetool wrote before it took LightningCLI's.

    Those of 0.1.0, which had no rounds, hold a schedule beside an amount, and may hold a norm
    beside a random choice, where neither means anything. A ticket without a word of when was one
    training with a reset after each event.
    """
    if "rounds" in values:
        return values
    meant = dict(values)
    if meant.get("amount") is not None:
        meant.pop("schedule", None)
    if meant.get("pruning_fn") == "random_structured":
        meant.pop("norm", None)
    if meant.get("lottery_ticket") is True:
        meant["lottery_ticket"] = "all"
    return meant


def override(base: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Lay the options of the command line over those of a file.

    ``KEY=VALUE`` options are merged key by key; ``--amount`` replaces a file's ``sparsity`` and
    the other way round, and so do the other names that answer the same question.
    """
    merged = dict(base)
    for key in given:
        for other in _REPLACES.get(key, ()):
            merged.pop(other, None)
    if given.get("logger") == "none" and isinstance(merged.get("trainer"), dict):
        merged["trainer"] = {k: v for k, v in merged["trainer"].items() if k != "logger"}
    for key, value in given.items():
        both = key in BY_NAME and isinstance(merged.get(key), dict)
        merged[key] = {**merged[key], **value} if both else value
    return merged


def merged_options(
    configs: Sequence[Path], given: Mapping[str, Any], *, target: str | None = None
) -> TrainOptions:
    """The options of files, later ones over earlier ones, with those of the command line over them.

    Args:
        configs: the files.
        given: values by option name.
        target: stands for one that none of them names.

    Raises:
        OptionError: for a value that means nothing, saying where it was given.
    """
    files = {str(path): read_config(path) for path in configs}
    base: dict[str, Any] = {}
    for values in files.values():
        base = override(_without_arguments_of_others(base, values), values)
    origins = origins_of(files, given)
    with origins.naming():
        options = from_values(
            _with_logger({"target": target, **override(base, given)}),
            complaint=lambda key, value, expected: _refusal(origins, key, value, expected),
        )
    return replace(options, origins=origins)


def _without_arguments_of_others(
    base: Mapping[str, Any], over: Mapping[str, Any]
) -> dict[str, Any]:
    """Drop the arguments of a class in whose place another one comes."""
    kept = dict(base)
    for path, arguments in (("target", "model_arg"), ("model", "model_arg"), ("data", "data_arg")):
        if path in base and path in over and base[path] != over[path]:
            kept.pop(arguments, None)
    return kept


def _with_logger(values: dict[str, Any]) -> dict[str, Any]:
    """Log where a callback needs a logger: without a word, Lightning's own Trainer does."""
    trainer = values.get("trainer") or {}
    callbacks = trainer.get("callbacks") or []
    paths = (it.get("class_path") if isinstance(it, Mapping) else it for it in _listed(callbacks))
    needed = any(str(path).rpartition(".")[2] in _NEED_A_LOGGER for path in paths)
    if needed and "logger" not in values and "logger" not in trainer:
        return {**values, "logger": "csv"}
    return values


def _refusal(origins: Origins, key: str, value: Any, expected: str) -> str:
    place = origins.of_key(key)
    if place is None:
        return f"{flag_of(key)} {value}: expected {expected}"
    return f"{place}: expected {expected}, got {value!r}"


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
