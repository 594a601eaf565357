"""Call a class or a factory with arguments from the command line or a checkpoint."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from prunetool.errors import OptionError, UserCodeError
from prunetool.suggest import did_you_mean
from prunetool.training.building.annotations import Where, instantiated, recorded_as

_NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


def construct(
    builder: Callable[..., Any],
    arguments: Mapping[str, Any],
    *,
    option: str,
    where: Where | None = None,
    app_dir: str = ".",
) -> Any:
    """Call ``builder(**arguments)`` after comparing names and values with its signature.

    Args:
        builder: a class or a function.
        arguments: by name; an object may be described by ``class_path`` and ``init_args``.
        option: the option that sets them, for messages ("--model-arg").
        where: names the place of an argument, where that may be another than the option.
        app_dir: the folder that relative files are in.

    Raises:
        OptionError: if an argument is unknown, of another type, or a required one is missing.
        TargetError: if a class path leads nowhere.
        UserCodeError: if the call raises.
    """
    where = where or (lambda name: f"{option} {name}")
    _compare(builder, arguments, option, where)
    values = instantiated(builder, arguments, where=where, app_dir=app_dir)
    try:
        with recorded_as(builder, arguments, values):
            return builder(**values)
    except Exception as error:
        raise UserCodeError(f"calling {name_of(builder)}") from error


def name_of(builder: Callable[..., Any]) -> str:
    """What to call a class or function in a message."""
    return getattr(builder, "__name__", None) or type(builder).__name__


def accepted(builder: Callable[..., Any], names: Iterable[str]) -> list[str]:
    """Those of ``names`` that ``builder`` takes as arguments, all of them if it takes any."""
    parameters = _parameters(builder)
    if parameters is None or _takes_any(parameters):
        return list(names)
    return [name for name in names if name in _names(parameters)]


def _compare(
    builder: Callable[..., Any], arguments: Mapping[str, Any], option: str, where: Where
) -> None:
    parameters = _parameters(builder)
    if parameters is None:
        return
    known = _names(parameters)
    unknown = [] if _takes_any(parameters) else [name for name in arguments if name not in known]
    if unknown:
        takes = f"it takes {', '.join(known)}" if known else "it takes none"
        hint = did_you_mean(unknown[0], known) or f"; {takes}"
        raise OptionError(f"{where(unknown[0])}: {name_of(builder)} has no such argument{hint}")
    missing = [name for name in known if _required(parameters[name]) and name not in arguments]
    if missing:
        wanted = " ".join(f"{option} {name}=VALUE" for name in missing)
        raise OptionError(
            f"{name_of(builder)} needs the argument {', '.join(missing)}: add {wanted}"
        )


def _parameters(builder: Callable[..., Any]) -> Mapping[str, inspect.Parameter] | None:
    try:
        return inspect.signature(builder).parameters
    except (TypeError, ValueError):  # some built-in callables have none
        return None


def _names(parameters: Mapping[str, inspect.Parameter]) -> list[str]:
    return [name for name, parameter in parameters.items() if parameter.kind in _NAMED]


def _takes_any(parameters: Mapping[str, inspect.Parameter]) -> bool:
    return any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters.values())


def _required(parameter: inspect.Parameter) -> bool:
    return parameter.default is inspect.Parameter.empty
