"""The safetensors format: what a file says of its tensors, and whether it reads back.

The layout: the header's length (8 bytes, little-endian), the header (JSON, padded with spaces to
a multiple of 8), then the values of all tensors without gaps. The safetensors library would hold
all values in memory, order the metadata at random, and make the file private whatever the umask.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from prunetool.checkpoints.fingerprints import Pieces, fingerprint
from prunetool.checkpoints.progress import Advance
from prunetool.checkpoints.safetensors_files.header import DTYPES
from prunetool.checkpoints.workers import share_out
from prunetool.errors import OutputError

_ALIGNMENT = 8  # bytes
# Not every dtype that can be read is written: no library here made a file of these to compare with.
_ONLY_READ = ("F8_E4M3FNUZ", "F8_E5M2FNUZ", "F8_E8M0")
_DTYPE_NAMES = {dtype: name for name, dtype in DTYPES.items() if name not in _ONLY_READ}


@dataclass(frozen=True)
class Entry:
    """A tensor to be written: what the header says of it."""

    name: str
    dtype: torch.dtype
    shape: torch.Size

    @property
    def nbytes(self) -> int:
        """Bytes that the values take."""
        return self.shape.numel() * self.dtype.itemsize


def can_hold(dtype: torch.dtype) -> bool:
    """Say whether the format has this dtype."""
    return dtype in _DTYPE_NAMES


def aligned_order(entries: Sequence[Entry]) -> list[Entry]:
    """Put wide dtypes first, so that every tensor starts at a multiple of its element size."""
    return sorted(entries, key=lambda entry: (-entry.dtype.itemsize, entry.name))


def opening(entries: Sequence[Entry], metadata: Mapping[str, str]) -> bytes:
    """Return what a file begins with, up to the first value.

    Args:
        entries: in the order of their values.
        metadata: written in the order of its keys; values of as many bytes give as many bytes.
    """
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
    header = text + b" " * (-len(text) % _ALIGNMENT)
    return len(header).to_bytes(8, "little") + header


def check_safetensors(
    path: Path,
    written: Mapping[Entry, Pieces],
    *,
    metadata: Mapping[str, str],
    target: Path,
) -> None:
    """Read a file back with the safetensors library, which took no part in writing it.

    Args:
        path: the file to read.
        written: what went into the file, piece by piece, for every entry.
        target: what to call it in an error message.

    Raises:
        OutputError: naming the first tensor that differs.
    """
    try:
        with safe_open(path, framework="pt") as file:
            if file.metadata() != dict(metadata):
                raise _differs(target, "the metadata")
            missing = {entry.name for entry in written} ^ set(file.keys())
            if missing:
                raise _differs(target, min(missing))

            def check(entry: Entry, advance: Advance) -> None:
                if not _is_same(file.get_tensor(entry.name), entry, written[entry], advance):
                    raise _differs(target, entry.name)

            largest_first = sorted(written, key=lambda entry: -entry.nbytes)
            share_out([partial(check, entry) for entry in largest_first])
    except SafetensorError as error:
        raise OutputError(f"{target}: does not read back: {error}; check the disk") from error


def _differs(target: Path, what: str) -> OutputError:
    return OutputError(f"{target}: {what} does not read back as it was written; check the disk")


def _is_same(found: Tensor, entry: Entry, written: Pieces, advance: Advance) -> bool:
    """Compare piece by piece: the library maps the file, and nothing is copied."""
    if found.dtype != entry.dtype or found.shape != entry.shape:
        return False
    values = found.reshape(-1).view(torch.uint8).numpy().data
    start = 0
    for size, expected in written:
        if fingerprint(values[start : start + size]) != expected:
            return False
        start += size
        advance(size)
    return start == len(values)
