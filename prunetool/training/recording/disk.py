"""What the file system refuses, in one line: which file, why, and what is still there."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path

from prunetool.errors import OutputError

_REMEDIES = {
    errno.ENOENT: "make its folder again",
    errno.EACCES: "make it writable",
    errno.EPERM: "make it writable",
    errno.EROFS: "make it writable",
}


def on_disk(path: Path, write: Callable[[], object]) -> None:
    """Write something at ``path``.

    Raises:
        OutputError: if the file system refuses.
    """
    try:
        write()
    except OSError as error:
        raise refusal(path, error) from error


def refusal(path: Path, error: OSError) -> OutputError:
    """Put the failure to write a file, or a checkpoint of a run, into words."""
    reason = error.strerror or str(error)
    remedy = _REMEDIES.get(error.errno or 0, "free some space")
    if error.errno == errno.ENOENT and not path.parent.is_dir():
        reason, rest = f"the folder {path.parent} is gone", "start the run again"
    elif path.name == "last.ckpt" and path.exists():
        rest = (
            f"what it held before is still there: {remedy}, then go on with: "
            f"prunetool train {path.parent.parent} --resume"
        )
    else:
        rest = f"{remedy} or choose another --output"
    return OutputError(f"{path}: cannot be written: {reason}; {rest}")
