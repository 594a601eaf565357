"""From the path that a user gives to the file, or sharded folder, that holds the weights."""

from __future__ import annotations

from pathlib import Path

from prunetool.checkpoints.sharded_metadata import METADATA
from prunetool.errors import CheckpointError

_LAST_OF_A_RUN = Path("checkpoints") / "last.ckpt"


def locate_checkpoint(path: Path) -> Path:
    """Return what ``path`` means: itself, or the last checkpoint of a run folder.

    Returns:
        A file, or a folder that is to be a sharded checkpoint.

    Raises:
        CheckpointError: if there is nothing there, or a folder without a checkpoint.
    """
    try:
        if path.is_dir():
            return _in_folder(path)
        if not path.exists():
            raise CheckpointError(f"{path}: no such file or folder{_neighbours(path.parent)}")
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read: {error.strerror}; check it") from error
    return path


def _in_folder(folder: Path) -> Path:
    last = folder / _LAST_OF_A_RUN
    if last.exists():
        return last
    if (folder / METADATA).exists() or any(folder.glob("*.distcp")):
        return folder
    raise CheckpointError(
        f"{folder}: a folder without {_LAST_OF_A_RUN}; expected a checkpoint file, a "
        f"sharded checkpoint or a run folder of prunetool{_neighbours(folder)}"
    )


def _neighbours(folder: Path) -> str:
    """Name up to three checkpoints that are in ``folder``, as the end of a message."""
    found = sorted(str(path) for path in folder.glob("*.ckpt")) if folder.is_dir() else []
    return f"; did you mean {' or '.join(found[:3])}?" if found else "; check the path"
