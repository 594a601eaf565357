"""Weights in several files, with the index that Hugging Face's tools write beside them.

The index is JSON: ``{"metadata": {...}, "weight_map": {NAME OF A TENSOR: NAME OF A FILE}}``. Its
files are safetensors or torch files, in the same folder.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prunetool.checkpoints.byte_source import ByteSource
from prunetool.checkpoints.names import is_file_name, shown
from prunetool.checkpoints.safetensors_files.strict_json import JsonError, parse_object
from prunetool.errors import CheckpointError

INDEX_SUFFIX = ".index.json"
_MAP = "weight_map"
_LARGEST = 2**26  # bytes; some hundred thousand tensors


@dataclass(frozen=True)
class ShardIndex:
    """Which tensor is in which file.

    Attributes:
        path: the index itself.
        places: the file's name by tensor name, in the index's order.
    """

    path: Path
    places: Mapping[str, str]

    @property
    def files(self) -> list[Path]:
        """The files that are named, sorted."""
        return [self.path.parent / name for name in sorted(set(self.places.values()))]


def read_shard_index(path: Path) -> ShardIndex:
    """Read an index, and make sure that its files are there.

    Raises:
        CheckpointError: if it is none, leads out of its folder, or a file is missing.
    """
    source = ByteSource(path)
    if source.size > _LARGEST:
        raise CheckpointError(f"{path}: JSON of more than {_LARGEST} bytes; expected a checkpoint")
    try:
        places = parse_object(bytes(source.read(0, source.size))).get(_MAP)
    except JsonError as error:
        raise CheckpointError(
            f"{path}: expected the index of a sharded checkpoint, found {error}; copy it again"
        ) from None
    if places is None:
        raise CheckpointError(
            f"{path}: a JSON file without {_MAP}; expected a checkpoint, or the index of its "
            "shards: give the folder, or the file that holds the weights"
        )
    if not isinstance(places, dict) or not places or not all(map(is_file_name, places.values())):
        raise CheckpointError(
            f"{path}: expected in {_MAP} the name of a file in its folder for each tensor, found "
            f"{_first_that_is_none(places)}; do not use this checkpoint"
        )
    index = ShardIndex(path, places)
    _check_files(index)
    return index


def merge(index: ShardIndex, read: Callable[[Path], Mapping[str, Any]]) -> dict[str, Any]:
    """Return what all files hold, by name: what the index names first and in its order.

    What is in a file and not in the index is taken too, as Hugging Face's tools do. A tensor that
    is in several files is taken from the one that the index names.

    Args:
        read: returns the content of one file.

    Raises:
        CheckpointError: if a tensor is not where it should be.
    """
    found = {file.name: read(file) for file in index.files}
    merged: dict[str, Any] = {}
    for name, file in index.places.items():
        if name not in found[file]:
            raise CheckpointError(
                f"{index.path}: expected {shown(name)} in {file}, which does not have it; copy or "
                "download the folder again"
            )
        merged[name] = found[file][name]
    beside: dict[str, Any] = {}
    for content in found.values():
        for name, value in content.items():
            if name in beside:
                raise CheckpointError(
                    f"{index.path}: {shown(name)} is in several files, and the index does not say "
                    "which to take; copy or download the folder again"
                )
            if name not in index.places:
                beside[name] = value
    return merged | beside


def _first_that_is_none(places: Any) -> str:
    if not isinstance(places, dict):
        return f"a {type(places).__name__}"
    return next((shown(it) for it in places.values() if not is_file_name(it)), "none")


def _check_files(index: ShardIndex) -> None:
    try:
        missing = [file for file in index.files if not file.is_file()]
    except OSError as error:
        raise CheckpointError(f"{index.path}: cannot be read: {error.strerror}") from error
    if missing:
        raise CheckpointError(
            f"{missing[0]}: no such file; {index.path.name} names {len(index.files)} files, of "
            f"which {len(missing)} {'is' if len(missing) == 1 else 'are'} missing: copy or "
            "download the folder again"
        )
