"""From a file to what it holds, whatever its container: recognised by content, not by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from prunetool.checkpoints.containers import Container, container_of
from prunetool.checkpoints.formats import Format
from prunetool.checkpoints.lazy import LazyTensor
from prunetool.checkpoints.names import check_names, shown
from prunetool.checkpoints.safetensors_files.reading import read_safetensors, with_tied
from prunetool.checkpoints.safetensors_files.shard_index import merge, read_shard_index
from prunetool.checkpoints.torch_files.reading import read_torch
from prunetool.checkpoints.torch_files.standins import Made, Name
from prunetool.checkpoints.wrappers import (
    WEIGHTS,
    Way,
    at_way,
    modules_to_weights,
    pickled_object,
    way_to_weights,
    weights_below,
)
from prunetool.errors import CheckpointError

LIGHTNING_MARK = "pytorch-lightning_version"
# What an index with files of several kinds is called by.
_OF_AN_INDEX = (Format.SPARSE, Format.SAFETENSORS, Format.STATE_DICT, Format.LIGHTNING)
_PROTOCOL = 2  # of torch.save by default
_EXPECTED = "expected a Lightning checkpoint or a state_dict"


@dataclass(frozen=True)
class Opened:
    """What a file, or the files of an index, hold; the fields are those of ``Checkpoint``."""

    path: Path
    format: Format
    content: Any
    nbytes: int
    files: tuple[Path, ...]
    way: Way = (WEIGHTS,)
    protocol: int = _PROTOCOL
    metadata: Mapping[str, str] = field(default_factory=dict)


def open_file(file: Path, *, trust: bool = False) -> Opened:
    """Open a file, or the files of the index in it.

    Raises:
        CheckpointError: if it holds no tensors, is of another kind, or damaged.
    """
    container = _container(file)
    if container is Container.JSON:
        return _open_index(file, trust)
    opened = _open_one(file, container, trust)
    if not at_way(opened.content, opened.way):
        raise CheckpointError(f"{file}: no tensors inside: {_EXPECTED}, found an empty file")
    return opened


def _open_one(file: Path, container: Container, trust: bool) -> Opened:
    match container:
        case Container.SAFETENSORS:
            return _open_safetensors(file)
        case Container.TORCH_ZIP | Container.LEGACY_TORCH:
            return _open_torch(file, trust)
        case _:
            raise CheckpointError(
                f"{file}: expected a checkpoint: a torch file, safetensors or a folder of them, "
                f"found {container.value}; {container.advice}"
            )


def _container(file: Path) -> Container:
    try:
        return container_of(file)
    except OSError as error:
        raise CheckpointError(f"{file}: cannot be read: {error.strerror}; check it") from error


def _open_safetensors(file: Path) -> Opened:
    from prunetool.checkpoints.sparse.reading import sparse_tensors

    it = read_safetensors(file)
    check_names(it.tensors, file)
    sparse = sparse_tensors(it.tensors, it.metadata, file)
    tensors: Mapping[str, LazyTensor] = it.tensors if sparse is None else sparse
    content = with_tied(tensors, it.metadata)
    kind = Format.SAFETENSORS if sparse is None else Format.SPARSE
    return Opened(file, kind, content, _size(file), (file,), (), metadata=it.metadata)


def _open_torch(file: Path, trust: bool) -> Opened:
    archive = read_torch(file, trust=trust)
    content = modules_to_weights(archive.content)
    way = way_to_weights(content)
    if way is None:
        raise CheckpointError(f"{file}: no tensors inside: {_EXPECTED}, found {_summary(content)}")
    kind = Format.LIGHTNING if LIGHTNING_MARK in content else Format.STATE_DICT
    return Opened(file, kind, content, _size(file), (file,), way, archive.protocol)


def _open_index(file: Path, trust: bool) -> Opened:
    index = read_shard_index(file)
    parts = {part: _open_one(part, _container(part), trust) for part in index.files}
    content = merge(index, lambda part: at_way(parts[part].content, parts[part].way))
    kinds = {part.format for part in parts.values()}
    metadata: dict[str, str] = {}
    for opened in parts.values():
        metadata = {**opened.metadata, **metadata}
    # A folder without a name of its own ('.') is called by its place.
    folder = file.parent if file.parent.name else file.parent.resolve()
    return Opened(
        folder,
        next(it for it in _OF_AN_INDEX if it in kinds),
        content,
        sum(it.nbytes for it in parts.values()) + _size(file),
        (file, *parts),
        (),
        metadata=metadata,
    )


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError as error:
        raise CheckpointError(f"{file}: cannot be read: {error.strerror}; check it") from error


def _summary(content: Any) -> str:
    """Say what is there in place of weights, and what to do about it where that is clear."""
    found = pickled_object(content)
    if isinstance(found, Made):
        cls = found.parts[0]
        named = f"{cls.module}.{cls.qualname}" if isinstance(cls, Name) else "unknown class"
        return (
            f"a pickled object ({shown(named)}), which is not built here; save its state_dict(), "
            "or pass --trust if you know where the file comes from and can import that class"
        )
    if isinstance(content, Mapping) and (inner := weights_below(content)):
        return (
            f"weights below {', '.join(inner[:3])}; save one of them by itself, such as "
            f"torch.save(checkpoint['{inner[0]}'], ...)"
        )
    if isinstance(content, Mapping):
        keys = ", ".join(_plain(key) for key in list(content)[:6])
        return f"a dict with the keys {keys}" if keys else "an empty dict"
    kind = "tensor without a name" if isinstance(content, LazyTensor) else type(content).__name__
    return f"a {kind}"


def _plain(key: object) -> str:
    text = str(key) if isinstance(key, str | int | float | bool) else type(key).__name__
    return text if text.isprintable() and len(text) < 60 else shown(text)
