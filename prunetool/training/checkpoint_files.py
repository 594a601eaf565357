"""Checkpoints as files: written with one line for what goes wrong, and kept under a second name."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from prunetool.checkpoints.writing import beside_of, move_into_place
from prunetool.errors import OutputError


def on_disk(path: Path, write: Callable[[], None]) -> None:
    """Write a checkpoint.

    Raises:
        OutputError: if the file system refuses.
    """
    try:
        write()
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror or error}") from error


def keep_as(source: Path, target: Path) -> None:
    """Keep a checkpoint under another name too.

    A second name is enough: the source is only ever replaced, never changed.

    Raises:
        OutputError: if the file system refuses.
    """
    on_disk(target, lambda: _link(source, target))


def _link(source: Path, target: Path) -> None:
    beside = beside_of(target)
    beside.unlink(missing_ok=True)
    try:
        os.link(source, beside)
    except OSError:  # a file system without hard links
        shutil.copyfile(source, beside)
    move_into_place(beside, target)
