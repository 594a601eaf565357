"""The callback's arguments as YAML and command lines spell them, resolved once at the edge."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from lightning.fabric.utilities.exceptions import MisconfigurationException

from prunetool.epochs import ChosenEpochs, is_epochs, parse_epochs
from prunetool.errors import OptionError, TargetError, UserCodeError
from prunetool.importing import import_object
from prunetool.pruning.schedules import Curve, Schedule

_CLASS_PATH = "class_path"


def as_amount(value: Any) -> Any:
    """Read an amount: text is a number, or the import path of a function of the epoch.

    Other text stays, for the check of what came.

    Raises:
        MisconfigurationException: if the path leads nowhere, or to no function.
    """
    if not isinstance(value, str):
        return value
    for number in (int, float):
        try:
            return number(value)
        except ValueError:
            pass
    return _function("amount", value, "a number") if _is_path(value) else value


def as_choice(argument: str, value: bool | str | Callable[[int], bool]) -> Any:
    """Read a choice of epochs: ``"true"``, ``"2-10/2,15"``, or the import path of a function.

    Raises:
        MisconfigurationException: naming ``argument`` and what is wrong with the text.
    """
    if not isinstance(value, str):
        return value
    if value.lower() in ("true", "false"):
        return value.lower() == "true"
    if not is_epochs(value):
        return _function(argument, value, "true, false, epochs as 2-10/2,15")
    try:
        return ChosenEpochs(parse_epochs(value, option=f"`{argument}`"))
    except OptionError as error:
        raise MisconfigurationException(str(error)) from None


def as_curve(value: str | Curve) -> str | Curve:
    """Read a curve: the import path of one becomes the function; names stay.

    Raises:
        MisconfigurationException: if the path leads nowhere, or to no function.
    """
    names = [known.value for known in Schedule]
    if isinstance(value, str) and value not in names and _is_path(value):
        return _function("schedule", value, ", ".join(names), of="the progress in [0, 1]")
    return value


def as_method(value: Any) -> Any:
    """Read a method: ``{class_path: PATH}`` and ``PATH`` become the class; names stay.

    Raises:
        MisconfigurationException: if the path leads nowhere.
    """
    path = value
    if isinstance(value, Mapping) and set(value) <= {_CLASS_PATH, "init_args"}:
        if value.get("init_args"):
            raise MisconfigurationException(
                "`pruning_fn`: expected the class itself; init_args have no place in it"
            )
        path = value.get(_CLASS_PATH)
    return _imported("pruning_fn", path) if isinstance(path, str) and _is_path(path) else path


def as_list(value: str | Sequence[Any] | None) -> list[Any]:
    """Read a list; a single text is the list of it."""
    if value is None:
        return []
    return [value] if isinstance(value, str) else list(value)


def _is_path(text: str) -> bool:
    return ":" in text or "." in text


def _function(
    argument: str, path: str, others: str, *, of: str = "the epoch"
) -> Callable[[Any], Any]:
    wanted = f"expected {others}, or the import path of a function of {of}"
    if not _is_path(path):
        raise MisconfigurationException(f"`{argument}`: {wanted}; got {path!r}")
    found = _imported(argument, path)
    if not callable(found):
        raise MisconfigurationException(f"`{argument}` {path}: {wanted}")
    return found  # type: ignore[no-any-return]


def _imported(argument: str, path: str) -> Any:
    try:
        return import_object(path, example="name")
    except TargetError as error:
        raise MisconfigurationException(f"`{argument}` {path}: {error}") from None
    except UserCodeError as error:
        raise MisconfigurationException(
            f"`{argument}` {path}: {error.doing} raised an error"
        ) from error.__cause__
