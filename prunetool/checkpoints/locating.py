"""From the path that a user gives to the file, or sharded folder, that holds the weights."""

from __future__ import annotations

import difflib
import stat
from pathlib import Path

from prunetool.checkpoints.model_folders import weights_in_model_folder
from prunetool.checkpoints.sharded.metadata import METADATA
from prunetool.errors import CheckpointError

_LAST_OF_A_RUN = Path("checkpoints") / "last.ckpt"
_PART = ".distcp"  # what one process wrote of a sharded checkpoint
_OF_CHECKPOINTS = (".ckpt", ".pt", ".pth", ".bin", ".safetensors", ".index.json")


def locate_checkpoint(path: Path) -> Path:
    """Return what ``path`` means: itself, or what holds the weights in a folder.

    Returns:
        A file, or a folder that is to be a sharded checkpoint of torch.distributed.

    Raises:
        CheckpointError: if there is nothing there, a folder without a checkpoint, or something
            that is neither a file nor a folder.
    """
    try:
        if path.is_dir():
            return _in_folder(path)
        mode = path.stat().st_mode
    except FileNotFoundError:
        link = " (a link leads nowhere)" if path.is_symlink() else ""
        raise CheckpointError(
            f"{path}: no such file or folder{link}{_neighbours(path.parent, path.name)}"
        ) from None
    except (OSError, RuntimeError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not a path"
        raise CheckpointError(f"{path}: cannot be read: {reason}; check it") from error
    if not stat.S_ISREG(mode):
        raise CheckpointError(
            f"{path}: expected a file or a folder, found {_special(mode)}; write it to a file first"
        )
    if path.suffix == _PART and (path.parent / METADATA).exists():
        raise CheckpointError(
            f"{path}: a part of a sharded checkpoint; give its folder, {path.parent}"
        )
    return path


def _in_folder(folder: Path) -> Path:
    last = folder / _LAST_OF_A_RUN
    if last.exists():
        return last
    if (folder / METADATA).exists() or any(folder.glob(f"*{_PART}")):
        # A folder without a name of its own ('.') is called by its place.
        return folder if folder.name else folder.resolve()
    weights = weights_in_model_folder(folder)
    if weights is not None:
        return weights
    raise CheckpointError(
        f"{folder}: a folder without {_LAST_OF_A_RUN}; expected a checkpoint file, a sharded "
        "checkpoint, a model folder as Hugging Face's tools write it, or a run folder of "
        f"prunetool{_neighbours(folder)}"
    )


def _special(mode: int) -> str:
    if stat.S_ISFIFO(mode):
        return "a pipe"
    return "a socket" if stat.S_ISSOCK(mode) else "a device"


def _neighbours(folder: Path, wanted: str = "") -> str:
    """Name up to three checkpoints in ``folder``, the most alike first, to end a message."""
    try:
        names = sorted(it.name for it in folder.iterdir() if it.name.endswith(_OF_CHECKPOINTS))
    except OSError:
        names = []
    alike = difflib.get_close_matches(wanted, names, 3) if wanted else []
    found = [str(folder / name) for name in (alike or names)[:3]]
    return f"; did you mean {' or '.join(found)}?" if found else "; check the path"
