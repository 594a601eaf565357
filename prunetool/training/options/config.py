"""``config.yaml``: a run's options, written before it starts and read by ``--config``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from prunetool._version import __version__
from prunetool.checkpoints.writing import write_text
from prunetool.errors import OptionError
from prunetool.training.options.options import TrainOptions
from prunetool.training.options.values import load_yaml

_VERSION_KEY = "prunetool"
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
_BY_KEY = ("model_arg", "data_arg", "trainer")


def write_config(path: Path, options: TrainOptions) -> None:
    """Write every option with the value that it has in this run.

    Raises:
        OutputError: if the file cannot be written.
    """
    values = {_VERSION_KEY: __version__, **options.as_config()}
    head = f"# Repeat this run with: prunetool train --config {path}\n"
    write_text(path, head + yaml.safe_dump(values, sort_keys=False, allow_unicode=True))


def read_config(path: Path) -> dict[str, Any]:
    """Read what `write_config` wrote.

    Returns:
        Values by option name; names and types are checked by ``options.from_values``.

    Raises:
        OptionError: if the file is missing, is not YAML, or holds no mapping.
    """
    try:
        values = load_yaml(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise OptionError(f"--config {path}: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        where = getattr(error, "problem_mark", None)
        line = f" (line {where.line + 1})" if where is not None else ""
        raise OptionError(f"--config {path}: not YAML{line}") from error
    if not isinstance(values, dict) or _VERSION_KEY not in values:
        raise OptionError(
            f"--config {path}: expected a config.yaml that prunetool train wrote, "
            f"with 'prunetool: VERSION' in it"
        )
    return _of_today({key: value for key, value in values.items() if key != _VERSION_KEY})


def _of_today(values: dict[str, Any]) -> dict[str, Any]:
    """Give the options of prunetool 0.1.0, which had no rounds, the meaning that they had.

    Its files hold a schedule beside an amount, and may hold a norm beside a random choice, where
    neither means anything. A ticket without a word of when was one training with a reset after
    each event.
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
    for key, value in given.items():
        both = key in _BY_KEY and isinstance(merged.get(key), dict)
        merged[key] = {**merged[key], **value} if both else value
    return merged
