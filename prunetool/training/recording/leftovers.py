"""What a killed process leaves half written in a run folder: finished or removed, never read."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path

from prunetool.checkpoints.folders import recover
from prunetool.training.recording.replacing import Replacing
from prunetool.training.recording.run_folder import RunFolder

_HALF_WRITTEN = re.compile(r"\.(?P<name>.+\.ckpt)\.(tmp|old)")


def tidy(folder: RunFolder) -> None:
    """Bring a run folder to order; to be called before anything in it is read.

    A folder that cannot be changed is left as it is: it can still be read.
    """
    with contextlib.suppress(OSError):
        for path in _half_written(folder.checkpoints):
            recover(path)
        if folder.path.is_dir():
            Replacing(folder).recover()
    drop_half_written_texts(folder)


def drop_half_written_texts(folder: RunFolder) -> None:
    """Remove what is left of tables and options, where a new run takes the folder too."""
    with contextlib.suppress(OSError):
        for place in (folder.path, folder.checkpoints):
            for text in place.glob(".prunetool-*.tmp"):
                text.unlink()


def _half_written(checkpoints: Path) -> set[Path]:
    if not checkpoints.is_dir():
        return set()
    found = (_HALF_WRITTEN.fullmatch(entry.name) for entry in checkpoints.iterdir())
    return {checkpoints / match["name"] for match in found if match is not None}
