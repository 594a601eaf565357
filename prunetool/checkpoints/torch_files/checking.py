"""A torch file to be written, with the comparison that makes sure of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import zip_longest
from pathlib import Path
from typing import Any, BinaryIO

from prunetool.checkpoints.lazy import LazyTensor, as_lazy
from prunetool.checkpoints.progress import Advance, unseen
from prunetool.checkpoints.torch_files.archive import Archive
from prunetool.checkpoints.torch_files.reading import read_torch
from prunetool.checkpoints.torch_files.writing import Written, check_records, write_torch
from prunetool.checkpoints.writing import NewFile
from prunetool.errors import CheckpointError, OutputError


def torch_file(target: Path, archive: Archive, *, advance: Advance = unseen) -> NewFile:
    """Return the file that is to hold ``archive``: every value in it is read back and compared.

    Args:
        advance: told of the bytes that were written, and of those that were read back.
    """
    written: list[Written] = []

    def write(file: BinaryIO) -> None:
        written.append(write_torch(archive, file, advance=advance))

    def check(path: Path) -> None:
        check_records(path, written[-1], target=target, advance=advance)
        _check_tensors(archive.content, path, target)

    return NewFile(target, write, check)


def _check_tensors(expected: Any, path: Path, target: Path) -> None:
    try:
        found = read_torch(path).content
    except CheckpointError as error:
        raise OutputError(f"{target}: does not read back: {error}") from error
    for want, got in zip_longest(_tensors_within(expected), _tensors_within(found)):
        if want is None or got is None or _said_of(*want) != _said_of(*got):
            name = (want or got)[0]
            raise OutputError(
                f"{target}: {name} does not read back as it was written; "
                "check the disk, and write to another folder with -o"
            )


def _said_of(place: str, tensor: LazyTensor) -> object:
    return place, tensor.dtype, tuple(tensor.shape)


def _tensors_within(tree: Any) -> Iterator[tuple[str, LazyTensor]]:
    """Yield each tensor in nested containers with its place, in the order of the containers.

    Iterative, and every container once: what a file holds may be deep, or contain itself.
    """
    pending: list[tuple[str, Any]] = [("", tree)]
    seen: set[int] = set()
    while pending:
        place, value = pending.pop()
        tensor = as_lazy(value)
        if tensor is not None:
            yield place, tensor
        elif isinstance(value, Mapping | list | tuple) and id(value) not in seen:
            seen.add(id(value))
            items = value.items() if isinstance(value, Mapping) else enumerate(value)
            inside = [(f"{place}.{key}" if place else str(key), child) for key, child in items]
            pending.extend(reversed(inside))
