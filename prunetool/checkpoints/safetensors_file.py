"""The safetensors format, written one tensor at a time and always with the same bytes.

The layout: the header's length (8 bytes, little-endian), the header (JSON, padded with spaces to
a multiple of 8), then the values of all tensors without gaps. The safetensors library would hold
all values in memory, order the metadata at random, and make the file private whatever the umask.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import torch
from safetensors import safe_open
from torch import Tensor

from prunetool.checkpoints.comparing import same_bits
from prunetool.errors import OutputError

_ALIGNMENT = 8  # bytes
_DTYPE_NAMES = {
    torch.float64: "F64",
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.float8_e4m3fn: "F8_E4M3",
    torch.float8_e5m2: "F8_E5M2",
    torch.complex64: "C64",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.int16: "I16",
    torch.int8: "I8",
    torch.uint64: "U64",
    torch.uint32: "U32",
    torch.uint16: "U16",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}


@dataclass(frozen=True)
class Entry:
    """A tensor to be written: what the header says of it, and how to get its values."""

    name: str
    dtype: torch.dtype
    shape: torch.Size
    read: Callable[[], Tensor]

    @property
    def nbytes(self) -> int:
        """Bytes that the values take."""
        return self.shape.numel() * self.dtype.itemsize


def can_hold(dtype: torch.dtype) -> bool:
    """Say whether the format has this dtype."""
    return dtype in _DTYPE_NAMES


def write_safetensors(
    file: BinaryIO, entries: Sequence[Entry], *, metadata: Mapping[str, str]
) -> None:
    """Write ``entries``; equal arguments in any order give equal bytes."""
    ordered = _aligned_order(entries)
    header = _header(ordered, metadata)
    file.write(len(header).to_bytes(8, "little"))
    file.write(header)
    for entry in ordered:
        values = entry.read().contiguous().reshape(-1).view(torch.uint8)
        file.write(values.numpy().data)


def check_safetensors(path: Path, entries: Sequence[Entry], *, target: Path) -> None:
    """Read a file back with the safetensors library and compare every tensor.

    Args:
        path: the file to read.
        target: what to call it in an error message.

    Raises:
        OutputError: naming the first tensor that differs.
    """
    with safe_open(path, framework="pt") as file:
        missing = {entry.name for entry in entries} ^ set(file.keys())
        if missing:
            raise OutputError(f"{target}: {min(missing)} does not read back; check the disk")
        for entry in entries:
            if not same_bits(entry.read(), file.get_tensor(entry.name)):
                raise OutputError(
                    f"{target}: {entry.name} does not read back as it was written; check the disk"
                )


def _aligned_order(entries: Sequence[Entry]) -> list[Entry]:
    """Put wide dtypes first, so that every tensor starts at a multiple of its element size."""
    return sorted(entries, key=lambda entry: (-entry.dtype.itemsize, entry.name))


def _header(entries: Sequence[Entry], metadata: Mapping[str, str]) -> bytes:
    fields: dict[str, object] = {"__metadata__": dict(sorted(metadata.items()))}
    start = 0
    for entry in entries:
        fields[entry.name] = {
            "dtype": _DTYPE_NAMES[entry.dtype],
            "shape": list(entry.shape),
            "data_offsets": [start, start + entry.nbytes],
        }
        start += entry.nbytes
    text = json.dumps(fields, separators=(",", ":"), ensure_ascii=False).encode()
    return text + b" " * (-len(text) % _ALIGNMENT)
