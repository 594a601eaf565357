"""Write a file whole or not at all: beside it first, to the disk, then into its place."""

from __future__ import annotations

import os
from pathlib import Path

from prunetool.errors import OutputError


def write_text(path: Path, text: str) -> None:
    """Write ``text`` as UTF-8.

    Raises:
        OutputError: if that fails; what was at ``path`` is then as before.
    """
    beside = beside_of(path)
    try:
        beside.write_text(text, encoding="utf-8", newline="")
        move_into_place(beside, path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise OutputError(f"{path}: cannot be written: {error.strerror}") from error


def beside_of(path: Path) -> Path:
    """A temporary name in the same folder: a rename stays on one file system."""
    return path.with_name(f".{path.name}.tmp")


def move_into_place(beside: Path, path: Path) -> None:
    """Bring a finished file to the disk and give it its name.

    Raises:
        OSError: if the file system refuses.
    """
    _sync(beside, os.O_RDWR)
    os.replace(beside, path)
    if os.name == "posix":  # the name is on the disk once its folder is
        _sync(path.parent, os.O_RDONLY)


def _sync(path: Path, flags: int) -> None:
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
