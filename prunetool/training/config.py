"""``config.yaml``: a run's options, written before it starts and read by ``--config``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from prunetool._version import __version__
from prunetool.errors import OptionError
from prunetool.training.atomic import write_text
from prunetool.training.options import TrainOptions
from prunetool.training.values import load_yaml

_VERSION_KEY = "prunetool"
_EXCLUSIVE = {"amount": "sparsity", "sparsity": "amount"}
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
    return {key: value for key, value in values.items() if key != _VERSION_KEY}


def override(base: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Lay the options of the command line over those of a file.

    ``KEY=VALUE`` options are merged key by key; ``--amount`` replaces a file's ``sparsity`` and
    the other way round.
    """
    merged = dict(base)
    for key, value in given.items():
        merged.pop(_EXCLUSIVE.get(key, ""), None)
        both = key in _BY_KEY and isinstance(merged.get(key), dict)
        merged[key] = {**merged[key], **value} if both else value
    if "amount" in given and "sparsity" in given:
        merged |= {"amount": given["amount"], "sparsity": given["sparsity"]}
    return merged
