"""A safetensors file: its tensors by name, each read from the file when it is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from prunetool.checkpoints.byte_source import ByteSource, FileTensor
from prunetool.checkpoints.lazy import LazyTensor
from prunetool.checkpoints.provenance import RESERVED
from prunetool.checkpoints.safetensors_files.header import parse_header
from prunetool.errors import CheckpointError

LONGEST_HEADER = 100_000_000  # bytes; the format's own limit
_LENGTH = 8  # bytes of the number that says how long the header is


@dataclass(frozen=True)
class SafetensorsFile:
    """What a file holds: tensors by name, in the order of its header, and the metadata."""

    tensors: Mapping[str, LazyTensor]
    metadata: Mapping[str, str]


def read_safetensors(path: Path) -> SafetensorsFile:
    """Open a safetensors file; only its header is read.

    Raises:
        CheckpointError: if the header is not what the format asks for, to the byte.
    """
    source = ByteSource(path)
    try:
        length = int.from_bytes(source.read(0, min(_LENGTH, source.size)), "little")
        if length > LONGEST_HEADER:
            raise ValueError(f"a header of {length} bytes, more than {LONGEST_HEADER}")
        if _LENGTH + length > source.size:
            raise ValueError(f"a header of {length} bytes in {source.size}: it is cut off")
        first = _LENGTH + length
        placed, metadata = parse_header(bytes(source.read(_LENGTH, length)), source.size - first)
    except ValueError as error:
        raise CheckpointError(
            f"{path}: damaged: expected a safetensors file, found {error}; copy or download it "
            "again"
        ) from None
    tensors = {
        name: FileTensor(source, first + it.start, it.shape, it.dtype)
        for name, it in placed.items()
    }
    return SafetensorsFile(tensors, metadata)


def with_tied(
    tensors: Mapping[str, LazyTensor], metadata: Mapping[str, str]
) -> dict[str, LazyTensor]:
    """Add the names that were left out: one of tied tensors is stored, the metadata has the rest.

    ``save_model`` of safetensors and prunetool's export note them as other name: stored name.
    """
    tied = {
        alias: tensors[name]
        for alias, name in metadata.items()
        if name in tensors and alias not in tensors and alias not in RESERVED
    }
    return {**tensors, **tied}
