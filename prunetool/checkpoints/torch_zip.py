"""torch's zip format: reading without running what is inside, and writing it again."""

from __future__ import annotations

import os
import pickle
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import torch

from prunetool.checkpoints import inert
from prunetool.errors import CheckpointError

_OLDEST_PROTOCOL = 2  # of torch.save; the ones before cannot hold tensors
_RECURSION_LIMIT = 20_000  # the pickler in Python needs several frames where the C one needs one


@dataclass(frozen=True)
class Archive:
    """What a torch file holds.

    Attributes:
        content: the object that was saved; tensors are mapped from the file, not read.
        protocol: the pickle protocol it was saved with, which spells the names inside.
    """

    content: Any
    protocol: int


def read_torch_zip(path: Path) -> Archive:
    """Open a torch file; tensors are on the CPU whatever device they were saved from.

    Raises:
        CheckpointError: if the archive is cut off, damaged, or not one of ``torch.save``.
    """
    protocol = _protocol_of(path)
    try:
        content = torch.load(
            path, map_location="cpu", mmap=True, weights_only=False, pickle_module=inert
        )
    except Exception as error:
        # Whatever a damaged or forged pickle makes the unpickler stumble over.
        raise CheckpointError(
            f"{path}: damaged: expected a file that torch.save wrote, and reading it failed with "
            f"{type(error).__name__} ({first_line(error)}); copy it again from where it came from"
        ) from error
    return Archive(content, protocol)


def write_torch_zip(archive: Archive, file: BinaryIO) -> None:
    """Write ``archive`` as ``torch.save`` does, names that were not imported included.

    Raises:
        RuntimeError: in the context of whatever ``file`` raised, which torch's writer hides.
    """
    with _deep_recursion():
        torch.save(archive.content, file, pickle_module=inert, pickle_protocol=archive.protocol)


def _protocol_of(path: Path) -> int:
    """Read the pickle's protocol, and make sure that there is a pickle of ``torch.save``."""
    try:
        # The reader that torch.load uses: another one might see another table of contents.
        reader = torch._C.PyTorchFileReader(os.fspath(path))
        records = reader.get_all_records()
    except (RuntimeError, UnicodeDecodeError) as error:
        raise CheckpointError(
            f"{path}: cut off or damaged: the end of its zip archive is missing "
            f"({path.stat().st_size} bytes found); copy or download it again"
        ) from error
    if "constants.pkl" in records:
        # torch.load would run it.
        raise CheckpointError(
            f"{path}: a TorchScript program; expected a checkpoint: save the module's state_dict()"
        )
    if "data.pkl" not in records:
        raise CheckpointError(
            f"{path}: a zip archive without data.pkl; expected a checkpoint that torch.save wrote"
        )
    try:
        start = bytes(reader.get_record("data.pkl")[:2])
    except RuntimeError as error:
        raise CheckpointError(
            f"{path}: damaged: data.pkl in its zip archive cannot be read; copy it again"
        ) from error
    return max(start[1] if start[:1] == pickle.PROTO else 0, _OLDEST_PROTOCOL)


@contextmanager
def _deep_recursion() -> Iterator[None]:
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(max(before, _RECURSION_LIMIT))
    try:
        yield
    finally:
        sys.setrecursionlimit(before)


def first_line(error: Exception) -> str:
    """Return what an error says, short enough to be quoted in a line."""
    return next(iter(str(error).splitlines()), "no details")[:200]
