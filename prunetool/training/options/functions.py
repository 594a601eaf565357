"""Functions of the user's that an option names by import path."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from prunetool.errors import OptionError
from prunetool.importing import import_object


def import_function(
    option: str, path: str, *, app_dir: str, of: str, others: str
) -> Callable[[Any], Any]:
    """Import a function.

    Args:
        option: for messages ("--amount").
        path: the import path.
        app_dir: the folder that relative files are in.
        of: what it is a function of ("the epoch").
        others: what else the option takes ("a number").

    Raises:
        OptionError: if it is no import path, or leads to something that cannot be called.
        TargetError: if it leads nowhere.
        UserCodeError: if importing it raises.
    """
    wanted = f"expected {others}, or the import path of a function of {of}"
    if ":" not in path and "." not in path:
        raise OptionError(f"{option} {path}: {wanted}")
    found = import_object(path, app_dir=app_dir, example="function")
    if not callable(found):
        raise OptionError(f"{option} {path}: {wanted}; got a {type(found).__name__}")
    return found  # type: ignore[no-any-return]
