"""Arguments checked against annotations, and the objects in them built, by jsonargparse.

An argument may be an object described by ``class_path`` and ``init_args``, as LightningCLI has it,
to any depth. Class paths are found by our own importer first, so that ``path/file.py:Class`` is
one, and code that does not import keeps its traceback.
"""

from __future__ import annotations

import enum
import inspect
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from prunetool.errors import OptionError, TargetError, UserCodeError
from prunetool.importing import import_object
from prunetool.training.building.complaints import in_one_line
from prunetool.training.building.trees import Tree, is_misconfiguration, tree_of

Where = Callable[[str], str]
_PATH, _ARGUMENTS = "class_path", "init_args"


def instantiated(
    builder: Callable[..., Any], arguments: Mapping[str, Any], *, where: Where, app_dir: str = "."
) -> dict[str, Any]:
    """Check arguments against the annotations of ``builder``, and build the objects in them.

    What has no annotation, or goes into ``**kwargs`` that lead nowhere, is taken as it is.

    Args:
        builder: a class or a function.
        arguments: by name.
        where: names the place of an argument, for messages.
        app_dir: the folder that relative files are in.

    Raises:
        OptionError: for a value of another type, or an unknown argument of an object.
        TargetError: for a class path that leads nowhere.
        UserCodeError: if importing or calling the user's code raises.
    """
    if not arguments:
        return {}
    found = {name: importable(value, where(name), app_dir) for name, value in arguments.items()}
    parser = parser_of(builder)
    known = {action.dest for action in parser._actions} if parser is not None else set()
    typed = {name: value for name, value in found.items() if name in known}
    if parser is None or not typed:
        return found
    from jsonargparse import ArgumentError

    try:
        config = parser.parse_object(typed, defaults=False)
    except ArgumentError as error:
        raise OptionError(in_one_line(str(error), where)) from None
    return {**found, **_built(parser, config, f"the arguments of {builder.__name__}")}


def build_object(description: Any, base: type, *, where: str, app_dir: str = ".") -> Any:
    """Build what ``{class_path, init_args}`` describes.

    Args:
        description: the mapping, or a class path alone.
        base: what it must derive from.
        where: names its place, for messages.
        app_dir: the folder that relative files are in.

    Raises:
        OptionError, TargetError, UserCodeError: as for `instantiated`.
    """
    from jsonargparse import ArgumentError

    parser = _new_parser()
    parser.add_argument("--object", type=base, required=True)
    found = importable(description, where, app_dir)
    try:
        config = parser.parse_object({"object": found}, defaults=False)
    except ArgumentError as error:
        raise OptionError(in_one_line(str(error), lambda _: where)) from None
    return _built(parser, config, where)["object"]


def parser_of(builder: Callable[..., Any]) -> Any:
    """A parser of the arguments of a class or a function; None where nothing can be read."""
    parser = _new_parser()
    try:
        if inspect.isclass(builder):
            parser.add_class_arguments(builder, fail_untyped=False, instantiate=False)
        elif inspect.isfunction(builder):
            parser.add_function_arguments(builder, fail_untyped=False)
        else:
            return None
    except Exception:  # annotations of a kind that jsonargparse cannot read check nothing
        return None
    return parser


def importable(value: Any, where: str, app_dir: str) -> Any:
    """Import every class path in a value, and spell it as jsonargparse does.

    Raises:
        TargetError: if one leads nowhere.
        UserCodeError: if importing it raises.
    """
    if isinstance(value, Mapping):
        inside = {key: importable(item, where, app_dir) for key, item in value.items()}
        path = value.get(_PATH)
        nameless = [key for key in value.get(_ARGUMENTS) or () if not isinstance(key, str)]
        if path is not None and nameless:
            raise OptionError(f"{where}: expected the name of an argument, got {nameless[0]!r}")
        if isinstance(path, str) and (":" in path or "." in path):
            return {**inside, _PATH: _dotted(path, where, app_dir)}
        return inside  # a name without a module: jsonargparse knows the classes of a type
    if isinstance(value, list):
        return [importable(item, where, app_dir) for item in value]
    return value


@contextmanager
def recorded_as(
    builder: Callable[..., Any], arguments: Mapping[str, Any], values: Mapping[str, Any]
) -> Iterator[None]:
    """Let ``save_hyperparameters`` record objects as they were described, as LightningCLI does.

    The objects themselves would make the checkpoint one that only their code can load. All else is
    recorded as it would be without: as the constructor gets it, defaults included.
    """
    tree = _tree_with_hyperparameters(builder)
    if tree is None or all(
        _is_plain(it) or it is arguments.get(name) for name, it in values.items()
    ):
        yield
        return
    path = f"{builder.__module__}.{builder.__qualname__}"
    given = tree.load("core.mixins.hparams_mixin")._given_hyperparameters_context
    recorded = {
        name: it if _is_plain(it) else arguments.get(name, it) for name, it in values.items()
    }
    with given(
        hparams={"_class_path": path, **_defaults(builder), **recorded},
        instantiator=f"{tree.package}.cli.instantiate_module",
    ):
        yield


def _is_plain(value: Any) -> bool:
    """Whether a checkpoint can hold a value that everybody can load."""
    if isinstance(value, dict):
        return all(map(_is_plain, (*value, *value.values())))
    if isinstance(value, list | tuple):
        return all(map(_is_plain, value))
    return type(value) in (type(None), bool, int, float, complex, str, bytes)


def _defaults(builder: Callable[..., Any]) -> dict[str, Any]:
    parameters = inspect.signature(builder).parameters
    return {name: _described(it) for name, it in parameters.items() if it.default is not it.empty}


def _described(parameter: inspect.Parameter) -> Any:
    """Give a default as a file would describe it, where its annotation can make it of that."""
    default = parameter.default
    if parameter.annotation is parameter.empty:
        return default
    if isinstance(default, enum.Enum):
        return default.name
    return str(default) if isinstance(default, os.PathLike) else default


def _tree_with_hyperparameters(builder: Callable[..., Any]) -> Tree | None:
    if not inspect.isclass(builder):
        return None
    return tree_of(builder) or tree_of(builder, "LightningDataModule")


def _new_parser() -> Any:
    from jsonargparse import ArgumentParser

    return ArgumentParser(exit_on_error=False)


def _built(parser: Any, config: Any, what: str) -> dict[str, Any]:
    try:
        return dict(vars(parser.instantiate(config)))
    except Exception as error:
        if is_misconfiguration(error):
            raise OptionError(f"{what}: {error}") from error
        raise UserCodeError(f"building {what}") from error


def _dotted(path: str, where: str, app_dir: str) -> str:
    try:
        found = import_object(path, app_dir=app_dir)
    except TargetError as error:
        raise TargetError(f"{where}: {_PATH} {path}: {error}") from None
    return path if ":" not in path else f"{found.__module__}.{found.__qualname__}"
