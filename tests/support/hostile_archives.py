"""Files that lie: zip archives and safetensors headers."""

from __future__ import annotations

import io
import json
import struct
import warnings
from functools import partial
from pathlib import Path
from typing import Any

import torch
from hostile_pickles import touch
from hostile_tools import VALUES, Entry, Maker, honest, pickled, text, torch_zip, write_zip, zeros

_PICKLE = pickled(b"N")
_LARGE = 3 * 2**30


def _zip(folder: Path, canary: Path, *entries: Entry) -> Path:
    return torch_zip(folder, _PICKLE, *entries)


def _bomb(name: str, folder: Path, canary: Path) -> Path:
    return _zip(folder, canary, Entry(name, zeros(3), method=8, size=_LARGE))


def _large_storage(folder: Path, canary: Path) -> Path:
    """A deflated storage that the pickle agrees with."""
    numel = b"J" + struct.pack("<i", _LARGE // 4)
    shape = numel + b"\x85K\x01\x85"
    tensor = (
        b"ctorch._utils\n_rebuild_tensor_v2\n((" + text("storage") + b"ctorch\nFloatStorage\n"
        + text("1") + text("cpu") + numel + b"tQK\x00" + shape
        + b"\x89ccollections\nOrderedDict\n)RtR"
    )  # fmt: skip
    entry = Entry("archive/data/1", zeros(3), method=8, size=_LARGE)
    return torch_zip(folder, pickled(tensor), entry)


def _two_pickles(folder: Path, canary: Path, *, first: bool) -> Path:
    inner = io.BytesIO()
    torch.save({**honest(), "x": touch(canary)}, inner)
    hostile = pickled(b"cos\nsystem\n" + text(f"touch '{canary}'") + b"\x85R")
    pickles = (hostile, _PICKLE) if first else (_PICKLE, hostile)
    entries = [Entry("archive/data.pkl", it) for it in pickles]
    rest = [Entry("archive/data/0", VALUES), Entry("archive/version", b"3\n")]
    return write_zip(folder / "model.ckpt", [*entries, *rest])


def _script(folder: Path, canary: Path) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), folder / "model.pt")
    return folder / "model.pt"


def _many_entries(folder: Path, canary: Path) -> Path:
    entries = [Entry(f"archive/data/{number}", b"") for number in range(1, 60_000)]
    return torch_zip(folder, _PICKLE, *entries)


def _wrong_count(folder: Path, canary: Path) -> Path:
    return write_zip(folder / "model.ckpt", [Entry("archive/data.pkl", _PICKLE)], count=65_000)


def _header(header: bytes | dict[str, Any], folder: Path, canary: Path) -> Path:
    written = header if isinstance(header, bytes) else json.dumps(header).encode()
    path = folder / "model.safetensors"
    path.write_bytes(struct.pack("<Q", len(written)) + written + VALUES)
    return path


def _length(length: int, folder: Path, canary: Path) -> Path:
    path = folder / "model.safetensors"
    path.write_bytes(struct.pack("<Q", length) + b'{"w":{}}' + VALUES)
    return path


def _tensor(shape: Any, offsets: Any, dtype: Any = "F32") -> dict[str, Any]:
    good = {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]}
    return {"w": good, "x": {"dtype": dtype, "shape": shape, "data_offsets": offsets}}


HEADERS: dict[str, bytes | dict[str, Any]] = {
    "shape": _tensor([10**18], [16, 16]),
    "shape that overflows": _tensor([2**32, 2**32], [16, 16]),
    "many dimensions": _tensor([1] * 100_000, [0, 4]),
    "negative shape": _tensor([-2, -2], [0, 16]),
    "shape of text": _tensor(["2", 2.5], [0, 16]),
    "offsets outside": _tensor([4], [10**15, 10**15 + 16]),
    "offsets backwards": _tensor([4], [16, 0]),
    "negative offsets": _tensor([4], [-16, 0]),
    "overlap": _tensor([2], [4, 12]),
    "offsets of text": _tensor([2], "08"),
    "dtype": _tensor([4], [0, 16], "X99"),
    "dtype of a list": _tensor([4], [0, 16], [1]),
    "tensor of a number": {"w": 5},
    "metadata of numbers": {"__metadata__": {"a": 5}, **_tensor([0], [16, 16])},
    "list": b"[1, 2]" + b" " * 10,
    "100,000 deep": b'{"w":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "not text": b'{"\xff\xfe": {}}',
    "twice": b'{"w":{"dtype":"F32","shape":[4],"data_offsets":[0,16]},'
    b'"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}',
    "long number": b'{"w":{"dtype":"F32","shape":[' + b"9" * 100_000 + b'],"data_offsets":[0,16]}}',
}


ARCHIVES: dict[str, Maker] = {
    "zip bomb: pickle": partial(_bomb, "archive/data.pkl"),
    "zip bomb: storage": partial(_bomb, "archive/data/0"),
    "zip bomb: large storage": _large_storage,
    "zip bomb: version": partial(_bomb, "archive/version"),
    "zip: overlap": lambda folder, canary: _zip(
        folder, canary, Entry("archive/data/0", VALUES, at=0, size=100, packed=100)
    ),
    "zip: size": lambda folder, canary: _zip(
        folder, canary, Entry("archive/data/0", VALUES, size=2**31, packed=2**31)
    ),
    "zip: pickle of a size": lambda folder, canary: _zip(
        folder, canary, Entry("archive/data.pkl", _PICKLE, size=2**31, packed=2**31)
    ),
    "zip: offset": lambda folder, canary: _zip(
        folder, canary, Entry("archive/data/0", VALUES, at=2**31)
    ),
    "zip: method": lambda folder, canary: _zip(
        folder, canary, Entry("archive/data/0", VALUES, method=99)
    ),
    "zip: name": lambda folder, canary: _zip(folder, canary, Entry("../../outside", VALUES)),
    "zip: count": _wrong_count,
    "zip: 60,000 entries": _many_entries,
    "zip: hostile pickle first": partial(_two_pickles, first=True),
    "zip: hostile pickle last": partial(_two_pickles, first=False),
    "TorchScript": _script,
    **{f"header: {name}": partial(_header, header) for name, header in HEADERS.items()},
    **{f"header of {n} bytes": partial(_length, n) for n in (2**63, 2**60, 10**8, 0)},
}
