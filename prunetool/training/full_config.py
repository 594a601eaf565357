"""The whole config of a run with every default filled in, and a sentence on each key."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from prunetool.importing import import_object, make_importable
from prunetool.training.building.annotations import parser_of
from prunetool.training.building.targets import ModelSource, resolve_target
from prunetool.training.building.trees import Tree, tree_of
from prunetool.training.options.config import config_of
from prunetool.training.options.options import TrainOptions

_PLAIN = (bool, int, float, str, type(None))


@dataclass
class FullConfig:
    """A config file in the making.

    Attributes:
        sections: what it holds.
        comments: what a key means, by its path (``"model.init_args.hidden"``).
        left_open: keys without a value that YAML could hold, by path, and why.
    """

    sections: dict[str, Any]
    comments: dict[str, str] = field(default_factory=dict)
    left_open: dict[str, str] = field(default_factory=dict)

    def describe(self, path: str, builder: Callable[..., Any], given: dict[str, Any]) -> None:
        """Add to ``given`` what else ``builder`` takes, with its default, and say what each is.

        Args:
            path: where ``given`` is.
            builder: a class or a function.
            given: its arguments so far.
        """
        parser = parser_of(builder)
        for action in parser._actions if parser is not None else ():
            name = action.dest
            if name in ("help", "print_config") or "." in name:
                continue
            if isinstance(action.help, str):
                self.comments[f"{path}.{name}"] = action.help
            if name in given:
                continue
            default = _default(builder, name, action.default)
            if default is inspect.Parameter.empty:
                self.left_open[f"{path}.{name}"] = "required"
            elif _is_plain(default):
                given[name] = list(default) if isinstance(default, tuple) else default
            else:
                self.left_open[f"{path}.{name}"] = f"default {_name(default)}"


def full_config(options: TrainOptions) -> FullConfig:
    """Fill in every default.

    Args:
        options: the run; without a target (``""``) there is no model section.

    Raises:
        TargetError, CheckpointError, UserCodeError: if the model or the data cannot be imported.
    """
    make_importable(options.app_dir)
    config = FullConfig(config_of(options))
    source = None
    if options.target:
        source = resolve_target(options.target, model=options.model, app_dir=options.app_dir)
        arguments = {**source.recorded, **options.model_arg}
        config.sections["model"]["init_args"] = arguments
        config.describe("model.init_args", source.builder, arguments)
    else:
        config.sections["model"] = None
    if options.data is not None:
        builder = import_object(options.data, app_dir=options.app_dir, example="DataModule")
        config.describe("data.init_args", builder, config.sections["data"]["init_args"])
    config.describe("trainer", _tree(source).trainer_class, config.sections["trainer"])
    return config


def _tree(source: ModelSource | None) -> Tree:
    builder = source.builder if source is not None else None
    tree = tree_of(builder) if isinstance(builder, type) else None
    return tree or Tree("lightning.pytorch")


def _default(builder: Callable[..., Any], name: str, parsed: Any) -> Any:
    """The default as it is written; jsonargparse finds those of ``**kwargs``."""
    parameter = inspect.signature(builder).parameters.get(name)
    return parsed if parameter is None else parameter.default


def _is_plain(value: Any) -> bool:
    if isinstance(value, Mapping):
        return all(isinstance(key, str) and _is_plain(item) for key, item in value.items())
    if isinstance(value, list | tuple):
        return all(_is_plain(item) for item in value)
    return type(value) in _PLAIN


def _name(value: Any) -> str:
    return getattr(value, "__qualname__", None) or type(value).__name__
