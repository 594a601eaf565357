"""A file that ``torch.save`` wrote, of either format: read without running what is inside."""

from __future__ import annotations

from pathlib import Path

from prunetool.checkpoints.byte_source import ByteSource
from prunetool.checkpoints.torch_files.archive import Archive, read_archive
from prunetool.checkpoints.torch_files.legacy import read_legacy
from prunetool.checkpoints.torch_files.limits import ImpossibleError, RefusedError
from prunetool.checkpoints.torch_files.zip_records import ArchiveError, CutOffError
from prunetool.errors import CheckpointError

_ZIP = b"PK"
_PROTOCOL = 2  # that objects which were built are pickled with again


def read_torch(path: Path, *, trust: bool = False) -> Archive:
    """Open a torch file.

    Args:
        trust: unpickle it for real, which runs whatever it says; tensors are then in memory.

    Raises:
        CheckpointError: if it is cut off, damaged, or not one of ``torch.save``.
    """
    if trust:
        return _unpickled(path)
    source = ByteSource(path)
    try:
        start = bytes(source.read(0, min(len(_ZIP), source.size)))
        return read_archive(source) if start == _ZIP else read_legacy(source)
    except CheckpointError:
        raise
    except CutOffError as error:
        raise CheckpointError(
            f"{path}: cut off or damaged: {error} ({source.size} bytes found); "
            "copy or download it again"
        ) from error
    except ArchiveError as error:
        raise CheckpointError(
            f"{path}: expected a checkpoint that torch.save wrote, found {error}; copy or download "
            "it again"
        ) from error
    except ImpossibleError as error:
        raise CheckpointError(
            f"{path}: damaged: {error}; copy it again from where it came from"
        ) from error
    except RefusedError as error:
        raise CheckpointError(
            f"{path}: refused: {error}; a checkpoint does not need that: if you know where it "
            "comes from and trust it, pass --trust"
        ) from error
    except Exception as error:
        # Whatever a damaged or forged pickle makes the unpickler stumble over.
        raise CheckpointError(
            f"{path}: damaged: expected a file that torch.save wrote, and reading it failed with "
            f"{type(error).__name__} ({first_line(error)}); copy it again from where it came from"
        ) from error


def _unpickled(path: Path) -> Archive:
    import torch

    try:
        with path.open("rb") as file:
            is_zip = file.read(len(_ZIP)) == _ZIP
        content = torch.load(path, map_location="cpu", weights_only=False, mmap=is_zip)
    except Exception as error:
        raise CheckpointError(
            f"{path}: cannot be unpickled: {type(error).__name__} ({first_line(error)}); are the "
            "classes that it names importable here?"
        ) from error
    return Archive(content, _PROTOCOL)


def first_line(error: Exception) -> str:
    """Return what an error says, short enough to be quoted in a line."""
    return next(iter(str(error).splitlines()), "no details")[:200]
