"""What hostile files are put together from: calls, raw pickles and raw zip archives."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

Maker = Callable[[Path, Path], Path]
"""Makes a file or folder in a folder; what it would do, if it could, is to make the canary."""


class Call:
    """What unpickles by calling ``function(*arguments)``."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return self.call


def honest() -> dict[str, Tensor]:
    """The weights beside the payload: one tensor, 4 elements, 1 zero."""
    return {"w": torch.tensor([[1.0, 2.0], [0.0, 4.0]])}


def saved(folder: Path, content: Any, **how: Any) -> Path:
    """Write with torch.save."""
    torch.save(content, folder / "model.ckpt", **how)
    return folder / "model.ckpt"


def text(value: str) -> bytes:
    """The opcodes of a string."""
    encoded = value.encode()
    return b"X" + struct.pack("<I", len(encoded)) + encoded


# The opcodes of the tensor of ``honest``, in the storage of key 0.
WEIGHT = (
    b"ctorch._utils\n_rebuild_tensor_v2\n(("
    + text("storage") + b"ctorch\nFloatStorage\n" + text("0") + text("cpu") + b"K\x04tQ"
    + b"K\x00K\x02K\x02\x86K\x02K\x01\x86\x89ccollections\nOrderedDict\n)RtR"
)  # fmt: skip
VALUES = struct.pack("<4f", 1.0, 2.0, 0.0, 4.0)


def pickled(value: bytes, *, key: bytes = text("x"), protocol: int = 2) -> bytes:
    """A pickle of the honest weights and of one more pair, both given by opcodes."""
    return bytes([0x80, protocol]) + b"}(" + text("w") + WEIGHT + key + value + b"u."


@dataclass(frozen=True)
class Entry:
    """A file in a zip archive, and what its directory says of it; None for the truth.

    Attributes:
        method: 0 stored, 8 deflated.
        size: bytes when unpacked.
        at: where it begins.
    """

    name: str
    data: bytes
    method: int = 0
    size: int | None = None
    packed: int | None = None
    at: int | None = None


def write_zip(path: Path, entries: Sequence[Entry], *, count: int | None = None) -> Path:
    """Write an archive whose directory says what the entries say."""
    body, directory = bytearray(), bytearray()
    for it in entries:
        name = it.name.encode()
        size = len(it.data) if it.size is None else it.size
        packed = len(it.data) if it.packed is None else it.packed
        fields = (20, 0, it.method, 0, 0x21, 0, packed, size, len(name), 0)
        at = len(body) if it.at is None else it.at
        directory += struct.pack("<IHHHHHHIIIHH", 0x02014B50, 20, *fields)
        directory += struct.pack("<HHHII", 0, 0, 0, 0, at) + name
        body += struct.pack("<IHHHHHIIIHH", 0x04034B50, *fields) + name + it.data
    number = len(entries) if count is None else count
    end = struct.pack("<IHHHHIIH", 0x06054B50, 0, 0, number, number, len(directory), len(body), 0)
    path.write_bytes(body + directory + end)
    return path


def torch_zip(folder: Path, pickle: bytes, *more: Entry) -> Path:
    """Write a file like torch's around a pickle; ``more`` replaces entries of the same name."""
    usual = [
        Entry("archive/data.pkl", pickle),
        Entry("archive/byteorder", b"little"),
        Entry("archive/data/0", VALUES),
        Entry("archive/version", b"3\n"),
    ]
    replaced = {it.name for it in more}
    kept = [it for it in usual if it.name not in replaced]
    return write_zip(folder / "model.ckpt", [*kept, *more])


def zeros(gigabytes: int) -> bytes:
    """Deflated zeros: a thousandth of what they unpack to."""
    import zlib

    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packer.compress(b"")
    megabyte = packer.compress(bytes(2**20)) + packer.flush(zlib.Z_FULL_FLUSH)
    return megabyte * (gigabytes * 2**10) + b"\x03\x00"
