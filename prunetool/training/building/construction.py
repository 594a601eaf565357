"""Call a class or a factory with arguments from the command line or a checkpoint."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from prunetool.errors import OptionError, UserCodeError
from prunetool.suggest import did_you_mean

_NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


def construct(builder: Callable[..., Any], arguments: Mapping[str, Any], *, option: str) -> Any:
    """Call ``builder(**arguments)`` after comparing the names with its signature.

    Args:
        builder: a class or a function.
        arguments: by name.
        option: the option that sets them, for messages ("--model-arg").

    Raises:
        OptionError: if an argument is unknown or a required one is missing.
        UserCodeError: if the call raises.
    """
    _compare(builder, arguments, option)
    try:
        return builder(**arguments)
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


def _compare(builder: Callable[..., Any], arguments: Mapping[str, Any], option: str) -> None:
    parameters = _parameters(builder)
    if parameters is None:
        return
    known = _names(parameters)
    unknown = [] if _takes_any(parameters) else [name for name in arguments if name not in known]
    if unknown:
        takes = f"it takes {', '.join(known)}" if known else "it takes none"
        hint = did_you_mean(unknown[0], known) or f"; {takes}"
        raise OptionError(f"{option} {unknown[0]}: {name_of(builder)} has no such argument{hint}")
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
