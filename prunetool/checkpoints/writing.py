"""Writing files so that a reader sees the old one or the whole new one, and never anything else."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from prunetool.errors import OutputError

_FOLLOWS_UMASK = 0o666


@dataclass(frozen=True)
class NewFile:
    """A file to be written.

    Attributes:
        target: where it is to appear.
        write: writes the content to a file opened for writing.
        check: reads the finished temporary file back and raises OutputError if it is not right.
    """

    target: Path
    write: Callable[[BinaryIO], object]
    check: Callable[[Path], object] = lambda _: None


def check_target(target: Path, *, source: Path, force: bool) -> None:
    """Refuse a target before any work is done.

    Raises:
        OutputError: if the target is the input, a folder, in no folder, or there without
            ``force``.
    """
    try:
        _check_target(target, source, force)
    except OSError as error:
        raise _cannot_write(target, error) from error


def _check_target(target: Path, source: Path, force: bool) -> None:
    if target.exists() and target.samefile(source):
        raise OutputError(f"{target}: the output would replace the input; name another with -o")
    if target.is_dir():
        raise OutputError(f"{target}: expected the name of a file to write, found a folder")
    if not target.parent.is_dir():
        raise OutputError(f"{target}: the folder {target.parent} does not exist; make it first")
    if target.exists() and not force:
        raise OutputError(f"{target}: exists already; pass --force to replace it, or another -o")


def write_atomically(*files: NewFile) -> None:
    """Write all files beside their targets, check them, and only then rename them all.

    Permissions follow the umask. Whatever goes wrong before the renaming leaves the targets as
    they were, and nothing else behind.

    Raises:
        OutputError: if a file cannot be written, or does not read back as what was written.
    """
    written: list[tuple[Path, Path]] = []
    try:
        for file in files:
            # Through a link to the file that it means; a rename would replace the link.
            target = Path(os.path.realpath(file.target))
            temporary = target.with_name(f".prunetool-{secrets.token_hex(4)}.tmp")
            written.append((temporary, target))
            _write(file, temporary)
            file.check(temporary)
        for temporary, target in written:
            _rename(temporary, target)
    except OSError as error:
        raise _cannot_write(files[0].target, error) from error
    finally:
        for temporary, _ in written:
            with contextlib.suppress(OSError):
                temporary.unlink()


def write_text(path: Path, text: str) -> None:
    """Write a file of UTF-8 text atomically.

    Raises:
        OutputError: if that fails; what was at ``path`` is then as before.
    """
    write_atomically(NewFile(path, lambda stream: stream.write(text.encode())))


def beside_of(path: Path) -> Path:
    """Give a temporary name in the same folder, the same in every process that writes ``path``."""
    return path.with_name(f".{path.name}.tmp")


def move_into_place(beside: Path, path: Path) -> None:
    """Bring a finished file to the disk and give it its name.

    For files that somebody else writes; what this package writes goes through
    :func:`write_atomically`.

    Raises:
        OSError: if the file system refuses.
    """
    _sync(beside, os.O_RDWR)
    _rename(beside, path)


def _cannot_write(target: Path, error: OSError) -> OutputError:
    reason = error.strerror or str(error)
    return OutputError(f"{target}: cannot be written: {reason}; free space or choose another -o")


def _write(file: NewFile, temporary: Path) -> None:
    descriptor = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, _FOLLOWS_UMASK)
    with os.fdopen(descriptor, "wb") as stream:
        file.write(stream)
        stream.flush()
        os.fsync(stream.fileno())


def _rename(temporary: Path, target: Path) -> None:
    os.replace(temporary, target)
    # The name is on the disk once its folder is, on systems where folders can be opened.
    if hasattr(os, "O_DIRECTORY"):
        _sync(target.parent, os.O_RDONLY | os.O_DIRECTORY)


def _sync(path: Path, flags: int) -> None:
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
