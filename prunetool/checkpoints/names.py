"""Names that a file from a stranger gives to tensors: printable, and of a length to be shown."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from pathlib import Path

from prunetool.errors import CheckpointError

LONGEST_NAME = 4096  # characters
# The last names of buffers that normalisation keeps.
STATISTICS = ("running_mean", "running_var", "num_batches_tracked")
_LONGEST_FILE_NAME = 256  # of the usual file systems
_SHOWN = 60  # characters of a name that may be anything
# Control characters, invisible ones that turn the text around, halves of characters, line ends.
_UNPRINTABLE = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


def check_names(names: Iterable[object], path: Path) -> None:
    """Make sure that the names can be printed: no escape sequence, no line end, no megabytes.

    Raises:
        CheckpointError: showing the first that cannot, escaped and cut.
    """
    for name in names:
        if isinstance(name, str) and not is_printable(name):
            raise CheckpointError(
                f"{path}: expected names of up to {LONGEST_NAME} printable characters, found "
                f"{shown(name)} of {len(name)} characters; do not use this checkpoint"
            )


def is_printable(name: str) -> bool:
    """Say whether ``name`` can be shown on a terminal, and written as UTF-8."""
    if len(name) > LONGEST_NAME:
        return False
    if name.isascii():
        return name.isprintable()
    return not any(unicodedata.category(character) in _UNPRINTABLE for character in name)


def is_file_name(name: object) -> bool:
    """Say whether it is a plain name of a file: a path would lead out of the folder."""
    return (
        isinstance(name, str)
        and name not in ("", ".", "..")
        and len(name) < _LONGEST_FILE_NAME
        and not any(character in name for character in "/\\\0:")
        and is_printable(name)
    )


def shown(name: object) -> str:
    """Return any text of a file for an error message: quoted, escaped and cut."""
    text = ascii(str(name)[: _SHOWN + 1])
    return text if len(text) <= _SHOWN + 2 else f"{text[:_SHOWN]}...'"


def printable(text: str) -> str:
    """Return a text as one line that changes no terminal: what is not printable is escaped."""
    return "".join(it if it.isprintable() else ascii(it)[1:-1] for it in text)
