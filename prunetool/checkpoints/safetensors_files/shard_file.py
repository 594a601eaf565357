"""One file of an export: written in one pass over its tensors, completed, and read back."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import BinaryIO

import torch
from torch import Tensor

from prunetool.checkpoints.fingerprints import fingerprint
from prunetool.checkpoints.nonzeros import count_nonzeros
from prunetool.checkpoints.progress import Advance
from prunetool.checkpoints.provenance import Provenance
from prunetool.checkpoints.safetensors_files.layout import (
    Entry,
    aligned_order,
    check_safetensors,
    opening,
)
from prunetool.checkpoints.streams import Stream
from prunetool.checkpoints.workers import share_out
from prunetool.checkpoints.writing import NewFile, write_at
from prunetool.errors import CheckpointError


class ShardFile:
    """A safetensors file that is to be.

    What its metadata says of all tensors is known when all shards are written: the fields are
    of one width, so they are put in afterwards.

    Args:
        path: where it is to appear.
        streams: what goes into it.
        metadata: what else its header says.
        provenance: collects from all shards, and gives the fields.
        advance: told how many bytes, of the tensors as they are read, are done.
    """

    def __init__(
        self,
        path: Path,
        streams: Sequence[Stream],
        *,
        metadata: Mapping[str, str],
        provenance: Provenance,
        advance: Advance,
    ) -> None:
        self._path = path
        self._streams = streams
        self._metadata = metadata
        self._provenance = provenance
        self._advance = advance
        self._entries = aligned_order([it for stream in streams for it in stream.entries])
        self._written: dict[Entry, list[tuple[int, int]]] = {it: [] for it in self._entries}
        self._found: dict[str, tuple[str, int]] = {}  # digest and zeros, by name
        self._positions: dict[Entry, int] = {}

    def new_file(self) -> NewFile:
        """Say how it is written, completed and checked."""
        size = len(self._opening()) + sum(entry.nbytes for entry in self._entries)
        return NewFile(self._path, self._write, self._check, complete=self._complete, size=size)

    def _opening(self) -> bytes:
        return opening(self._entries, {**self._metadata, **self._provenance.fields()})

    def _write(self, file: BinaryIO) -> None:
        file.flush()
        position = write_at(file, 0, self._opening())
        for entry in self._entries:
            self._positions[entry] = position
            position += entry.nbytes
        # The largest first: then all threads end at about the same time.
        streams = sorted(self._streams, key=lambda it: -it.conversion.tensor.nbytes)
        share_out([partial(self._write_stream, file, it) for it in streams], self._advance)
        for stream in self._streams:
            digest, zeros = self._found[stream.name]
            self._provenance.add(stream.conversion.tensor, digest=digest, zeros=zeros)

    def _write_stream(self, file: BinaryIO, stream: Stream, advance: Advance) -> None:
        tensor = stream.conversion.tensor
        digest = hashlib.sha256()
        ends = {it: self._positions[it] + it.nbytes for it in stream.entries}
        nonzeros = 0
        for piece in stream.pieces():
            digest.update(_bytes(piece.read))
            nonzeros += count_nonzeros(piece.dense)
            for entry, values in zip(stream.entries, piece.stored, strict=True):
                if self._positions[entry] + values.nbytes > ends[entry]:
                    raise _changed(tensor.name)
                content = _bytes(values)
                self._written[entry].append((len(content), fingerprint(content)))
                self._positions[entry] = write_at(file, self._positions[entry], content)
            advance(piece.read.nbytes)
        if any(self._positions[entry] != end for entry, end in ends.items()):
            raise _changed(tensor.name)
        zeros = tensor.elements - nonzeros
        self._found[stream.name] = digest.hexdigest(), zeros

    def _complete(self, file: BinaryIO) -> None:
        write_at(file, 0, self._opening())

    def _check(self, written: Path) -> None:
        metadata = {**self._metadata, **self._provenance.fields()}
        check_safetensors(written, self._written, metadata=metadata, target=self._path)


def _bytes(values: Tensor) -> memoryview:
    return values.view(torch.uint8).numpy().data


def _changed(name: str) -> CheckpointError:
    return CheckpointError(f"{name}: changed while it was read; export again when nothing writes")
