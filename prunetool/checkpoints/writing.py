"""Writing files so that a reader sees the old one or the whole new one, and never anything else."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from prunetool.checkpoints.folders import replace_folder, sync_folder
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
        OutputError: if the target is the input or in it, a folder, in no folder, or there
            without ``force``.
    """
    try:
        _check_target(target, source, force)
    except OSError as error:
        raise _cannot_write(target, error) from error


def _check_target(target: Path, source: Path, force: bool) -> None:
    if target.exists() and target.samefile(source):
        raise OutputError(f"{target}: the output would replace the input; name another with -o")
    if source.is_dir() and target.resolve().is_relative_to(source.resolve()):
        raise OutputError(f"{target}: would lie in the input folder {source}; name another with -o")
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
            _write(file.write, temporary, os.O_EXCL)
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


def replace_file(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Write a file beside ``path``, bring it to the disk and give it its name.

    The temporary name is :func:`beside_of`: what a kill leaves is found, and written over.

    Raises:
        OSError: if the file system refuses; what was at ``path`` is then as before.
    """
    beside = beside_of(path)
    try:
        _write(write, beside)
        move_into_place(beside, path)
    except BaseException:
        with contextlib.suppress(OSError):
            beside.unlink()
        raise


def move_into_place(beside: Path, path: Path) -> None:
    """Give a finished file, brought to the disk by whoever wrote it, its name.

    Raises:
        OSError: if the file system refuses.
    """
    if path.is_dir() and not path.is_symlink():
        replace_folder(beside, path)
    else:
        _rename(beside, path)


def _cannot_write(target: Path, error: OSError) -> OutputError:
    reason = error.strerror or str(error)
    return OutputError(f"{target}: cannot be written: {reason}; free space or choose another -o")


def _write(write: Callable[[BinaryIO], object], temporary: Path, exclusive: int = 0) -> None:
    flags = os.O_CREAT | os.O_WRONLY | os.O_TRUNC | exclusive
    descriptor = os.open(temporary, flags, _FOLLOWS_UMASK)
    with os.fdopen(descriptor, "wb") as stream:
        try:
            write(stream)
        except RuntimeError as error:
            cause = _hidden_by(error)
            if cause is not None:
                raise cause from None
            raise
        stream.flush()
        os.fsync(stream.fileno())


def _hidden_by(error: BaseException) -> BaseException | None:
    """Find what torch's zip writer complains of when it is left early: the disk, or a signal."""
    cause = error.__context__
    while isinstance(cause, RuntimeError):
        cause = cause.__context__
    return cause if isinstance(cause, OSError) or not isinstance(cause, Exception) else None


def _rename(temporary: Path, target: Path) -> None:
    os.replace(temporary, target)
    sync_folder(target.parent)
