"""Writing files so that a reader sees the old one or the whole new one, and never anything else."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, BinaryIO

from prunetool.checkpoints.folders import replace_folder, sync_folder
from prunetool.checkpoints.syncing import Syncing
from prunetool.checkpoints.terminating import cleaning_up_at_sigterm
from prunetool.errors import OutputError

_FOLLOWS_UMASK = 0o666
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT)
_CANNOT_SET_ASIDE = (errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL)


@dataclass(frozen=True)
class NewFile:
    """A file to be written.

    Attributes:
        target: where it is to appear.
        write: writes the content to a file opened for writing.
        check: reads the finished temporary file back and raises OutputError if it is not right.
        complete: writes what is known only after all files were written, into this one.
        size: bytes that are set aside before anything is written; 0 for none.
    """

    target: Path
    write: Callable[[BinaryIO], object]
    check: Callable[[Path], object] = lambda _: None
    complete: Callable[[BinaryIO], object] | None = None
    size: int = 0


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
    if str(target) == "-":
        raise OutputError("-: expected the name of a file to write; stdout gets words only")
    if target.absolute().parts[1:2] in (("dev",), ("proc",)):
        # /dev/stdout leads to the file that stdout goes to, which would be replaced.
        raise OutputError(f"{target}: expected the name of a file to write, found a device or pipe")
    if target.exists() and target.samefile(source):
        raise OutputError(f"{target}: the output would replace the input; name another with -o")
    if source.is_dir() and target.resolve().is_relative_to(source.resolve()):
        raise OutputError(f"{target}: would lie in the input folder {source}; name another with -o")
    if target.is_dir():
        raise OutputError(f"{target}: expected the name of a file to write, found a folder")
    if target.exists() and not target.is_file():
        # Renaming would put a file in the place of a device or a pipe.
        raise OutputError(f"{target}: expected the name of a file to write, found a device or pipe")
    if not target.parent.is_dir():
        state = (
            "is no folder; choose another -o"
            if target.parent.exists()
            else ("does not exist; make it first")
        )
        raise OutputError(f"{target}: the folder {target.parent} {state}")
    if target.exists() and not force:
        raise OutputError(f"{target}: exists already; pass --force to replace it, or another -o")


def write_atomically(*files: NewFile) -> None:
    """Write all files beside their targets, check them, and only then rename them all.

    Files are brought to the disk while the next one is written, and while they are checked.

    Permissions follow the umask. Whatever goes wrong before the renaming leaves the targets as
    they were, and nothing else behind. A disk that is too small is noticed first, where the file
    system can set space aside.

    Raises:
        OutputError: if a file cannot be written, or does not read back as what was written.
    """
    with cleaning_up_at_sigterm():
        _write_all(files)


def _write_all(files: Sequence[NewFile]) -> None:
    written: list[tuple[Path, Path]] = []
    try:
        for file in files:
            # Through a link to the file that it means; a rename would replace the link.
            target = Path(os.path.realpath(file.target))
            temporary = target.with_name(f".prunetool-{secrets.token_hex(4)}.tmp")
            written.append((temporary, target))
            _create(temporary, file.size)
        with Syncing() as disk:
            for file, (temporary, _) in zip(files, written, strict=True):
                _write(file.write, temporary, 0, disk)
            for file, (temporary, _) in zip(files, written, strict=True):
                if file.complete is not None:
                    _write(file.complete, temporary, 0, disk)
                file.check(temporary)
            disk.wait()
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
    advice = "free space or choose" if error.errno in _NO_SPACE else "choose"
    return OutputError(f"{target}: cannot be written: {reason}; {advice} another -o")


def set_aside(descriptor: int, size: int) -> None:
    """Take ``size`` bytes of the disk for an open file at once, where the file system can.

    A disk that is too small is then noticed before the work, and the writing is faster.

    Raises:
        OSError: if there is not as much.
    """
    try:
        if size and hasattr(os, "posix_fallocate"):
            os.posix_fallocate(descriptor, 0, size)
    except OSError as error:
        if error.errno not in _CANNOT_SET_ASIDE:
            raise


def write_at(file: IO[bytes], position: int, content: bytes | bytearray | memoryview) -> int:
    """Write all of ``content`` at a place, and return where it ends.

    Past Python's buffer, so that several threads can at once; not to a file in memory.
    """
    if isinstance(file, io.BytesIO):
        file.seek(position)
        return position + file.write(content)
    with memoryview(content) as rest:
        done = 0
        while done < len(rest):
            done += os.pwrite(file.fileno(), rest[done:], position + done)
    return position + len(content)


def _create(temporary: Path, size: int) -> None:
    descriptor = os.open(temporary, os.O_CREAT | os.O_WRONLY | os.O_EXCL, _FOLLOWS_UMASK)
    try:
        set_aside(descriptor, size)
    finally:
        os.close(descriptor)


def _write(
    write: Callable[[BinaryIO], object],
    temporary: Path,
    create: int = os.O_CREAT | os.O_TRUNC,
    disk: Syncing | None = None,
) -> None:
    """Write a file and bring it to the disk; without waiting for that, if there is a ``disk``."""
    descriptor = os.open(temporary, os.O_WRONLY | create, _FOLLOWS_UMASK)
    with os.fdopen(descriptor, "wb") as stream:
        try:
            with contextlib.nullcontext() if disk is None else disk.during(descriptor):
                write(stream)
        except RuntimeError as error:
            cause = _hidden_by(error)
            if cause is not None:
                raise cause from None
            raise
        stream.flush()
        (os.fsync if disk is None else disk.sync)(stream.fileno())


def _hidden_by(error: BaseException) -> BaseException | None:
    """Find what torch's zip writer complains of when it is left early: the disk, or a signal."""
    cause = error.__context__
    while isinstance(cause, RuntimeError):
        cause = cause.__context__
    return cause if isinstance(cause, OSError) or not isinstance(cause, Exception) else None


def _rename(temporary: Path, target: Path) -> None:
    os.replace(temporary, target)
    sync_folder(target.parent)
