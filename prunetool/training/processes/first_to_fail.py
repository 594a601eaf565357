"""Of several processes that fail one after the other, only the first says why.

What the others say is the same line once more, or that they lost the first one: neither helps.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from pathlib import Path

# "PID:FOLDER" of the process that starts others, and a folder that all of them can write to.
_VARIABLE = "PRUNETOOL_PROCESSES"
_MARK = "failed"


def share_a_place() -> None:
    """Make the place where processes that this one is about to start leave word of a failure."""
    if _VARIABLE in os.environ:
        return
    folder = tempfile.mkdtemp(prefix="prunetool-")
    os.environ[_VARIABLE] = f"{os.getpid()}:{folder}"
    atexit.register(forget_the_place)


def forget_the_place(*, maker_is_gone: bool = False) -> None:
    """Remove it, in the process that made it, or in one that outlives that."""
    parent, _, folder = os.environ.get(_VARIABLE, "").partition(":")
    if folder and (maker_is_gone or parent == str(os.getpid())):
        del os.environ[_VARIABLE]
        shutil.rmtree(folder, ignore_errors=True)


def starter() -> int | None:
    """The process that started this one with its likes, or None."""
    parent = os.environ.get(_VARIABLE, "").partition(":")[0]
    return int(parent) if parent and parent != str(os.getpid()) else None


def is_first_to_fail() -> bool:
    """Whether no other process of the run has failed yet; to be asked once, before speaking."""
    place = _place()
    if place is None:
        return True
    try:
        os.close(os.open(place / _MARK, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
    except FileExistsError:
        return False
    except OSError:  # better twice than not at all
        return True
    return True


def _place() -> Path | None:
    if folder := os.environ.get(_VARIABLE, "").partition(":")[2]:
        return Path(folder)
    # torchrun gives each process a file FOLDER/RANK/error.json of its own.
    file = os.environ.get("TORCHELASTIC_ERROR_FILE")
    return Path(file).parent.parent if file else None
