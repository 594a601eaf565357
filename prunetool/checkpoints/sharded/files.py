"""The ``.distcp`` files of a sharded folder: checked against its index, and read piece by piece."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from prunetool.checkpoints.byte_source import ByteSource
from prunetool.checkpoints.containers import Container, container_of
from prunetool.checkpoints.lazy import LazyTensor
from prunetool.checkpoints.names import is_file_name
from prunetool.checkpoints.sharded.chunks import ChunkedTensor, check_chunks
from prunetool.checkpoints.sharded.index import Chunk, FolderIndex, Region, TensorEntry
from prunetool.checkpoints.torch_files.archive import read_archive
from prunetool.checkpoints.torch_files.reading import first_line
from prunetool.errors import CheckpointError

_MOST_OPEN = 64  # files; there may be one for each of a thousand processes


@dataclass(frozen=True)
class ShardFiles:
    """A folder and what its index says of it; nothing is in memory, and few files are open."""

    folder: Path
    index: FolderIndex
    _sources: dict[Path, ByteSource] = field(default_factory=dict, repr=False, compare=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    def check(self, keys: Iterable[str]) -> None:
        """Make sure that the entries of ``keys`` can be read, without reading them.

        Raises:
            CheckpointError: if a chunk or a file is missing, does not fit, or is outside.
        """
        for key in keys:
            entry = self.index.entries[key]
            if entry is None:
                self._region(key, None)
                continue
            try:
                check_chunks(key, entry)
            except CheckpointError as error:
                raise CheckpointError(f"{self.folder}: {error}") from None
            for chunk in entry.chunks:
                self._check_size(key, entry, chunk)

    def read(self, key: str) -> Any:
        """Return any entry; a tensor is read later."""
        return self.read_object(key) if self.index.entries[key] is None else self.tensor(key)

    def tensor(self, key: str) -> LazyTensor:
        """Return a tensor, to be read later."""
        entry = self.index.entries[key]
        assert entry is not None
        return ChunkedTensor(entry, lambda chunk: self._open_chunk(key, entry, chunk))

    def read_object(self, key: str) -> Any:
        """Return an entry that is no tensor; objects of unknown classes are stand-ins."""
        return self._read(self._region(key, None), key)

    def _open_chunk(self, key: str, entry: TensorEntry, chunk: Chunk) -> LazyTensor:
        values = self._read(self._region(key, chunk.offsets), key)
        if (
            not isinstance(values, LazyTensor)
            or values.dtype != entry.dtype
            or tuple(values.shape) != chunk.sizes
        ):
            found = (
                f"{list(values.shape)} of {values.dtype}"
                if isinstance(values, LazyTensor)
                else f"a {type(values).__name__}"
            )
            raise CheckpointError(
                f"{self.folder}: {key}: expected a chunk of {list(chunk.sizes)} of {entry.dtype}, "
                f"found {found}; the folder is inconsistent"
            )
        return values

    def _read(self, region: Region, key: str) -> Any:
        path = self.folder / region.file
        try:
            return read_archive(self._source(path), region.start, region.length).content
        except CheckpointError:
            raise
        except Exception as error:
            # Whatever a damaged or forged archive or pickle makes its readers stumble over.
            raise CheckpointError(
                f"{path}: damaged: {key} cannot be read ({type(error).__name__}: "
                f"{first_line(error)}); copy the folder again"
            ) from error

    def _source(self, path: Path) -> ByteSource:
        """Open a file, or find it open; the one that was opened first is closed if need be."""
        with self._lock:
            if path not in self._sources:
                if len(self._sources) == _MOST_OPEN:
                    del self._sources[next(iter(self._sources))]
                self._sources[path] = ByteSource(path)
            return self._sources[path]

    def _region(self, key: str, offsets: tuple[int, ...] | None) -> Region:
        region = self.index.regions.get((key, offsets))
        if region is None:
            where = "" if offsets is None else f" at {list(offsets)}"
            raise CheckpointError(
                f"{self.folder}: {key}{where}: the index does not say where it is stored; "
                "copy the folder again"
            )
        return region

    def _check_size(self, key: str, entry: TensorEntry, chunk: Chunk) -> None:
        size = chunk.elements * entry.dtype.itemsize
        if size and self._region(key, chunk.offsets).length < size:
            raise CheckpointError(
                f"{self.folder}: {key}: expected {size} bytes for {list(chunk.sizes)} of "
                f"{entry.dtype}, found fewer; the folder is inconsistent"
            )


def check_files(folder: Path, index: FolderIndex) -> int:
    """Make sure that all regions lie in files of ``folder``, none on another.

    Returns:
        The bytes of these files.

    Raises:
        CheckpointError: naming the file.
    """
    regions: dict[str, list[Region]] = defaultdict(list)
    for region in index.regions.values():
        regions[region.file].append(region)
    return sum(_check_file(folder, name, found) for name, found in sorted(regions.items()))


def _check_file(folder: Path, name: str, regions: list[Region]) -> int:
    if not is_file_name(name):
        raise CheckpointError(
            f"{folder}: expected the name of a file in the folder, found {name[:99]!r}; "
            "do not use this checkpoint"
        )
    path = folder / name
    try:
        if not path.is_file():
            raise CheckpointError(
                f"{path}: no such file; the folder is incomplete: copy it again, with the files "
                "of all ranks"
            )
        size = path.stat().st_size
        container = container_of(path)
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read: {error.strerror}; check it") from error
    _check_regions(path, size, regions)
    if container is not Container.TORCH_ZIP:
        raise CheckpointError(
            f"{path}: expected chunks as torch.save writes them, found {container.value}; copy the "
            "folder again, or save it in torch.distributed.checkpoint's own format"
        )
    return size


def _check_regions(path: Path, size: int, regions: list[Region]) -> None:
    end = 0
    for region in sorted(regions, key=lambda it: it.start):
        if region.start < end:
            raise CheckpointError(f"{path}: two chunks share bytes; the folder is inconsistent")
        end = region.start + region.length
    if end > size:
        raise CheckpointError(
            f"{path}: cut off: expected at least {end} bytes, found {size}; copy the folder again"
        )
