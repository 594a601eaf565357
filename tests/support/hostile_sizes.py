"""Files that ask for more memory, time or stack than there is."""

from __future__ import annotations

import struct
from collections import OrderedDict
from functools import partial
from pathlib import Path
from typing import Any

import torch
from hostile_tools import Call, Entry, Maker, honest, pickled, saved, text, torch_zip
from torch import _utils

_HUGE = 10**15


def _call(function: Any, arguments: tuple[Any, ...], folder: Path, canary: Path) -> Path:
    storage = torch.arange(4.0).untyped_storage()
    typed = torch.storage.TypedStorage(wrap_storage=storage, dtype=torch.float32, _internal=True)
    real = [typed if it is _STORAGE else it for it in arguments]
    return saved(folder, {**honest(), "x": Call(function, *real)})


_STORAGE = object()
_REST: tuple[Any, ...] = (False, OrderedDict())
_v2 = _utils._rebuild_tensor_v2
_CALLS: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "size": (_v2, (_STORAGE, 0, (_HUGE,), (1,), *_REST)),
    "size by zero strides": (_v2, (_STORAGE, 0, (10**6, 10**6, 10**6), (0, 0, 0), *_REST)),
    "stride": (_v2, (_STORAGE, 0, (2, 2), (_HUGE, 1), *_REST)),
    "negative stride": (_v2, (_STORAGE, 0, (2, 2), (-2, 1), *_REST)),
    "offset": (_v2, (_STORAGE, _HUGE, (2, 2), (2, 1), *_REST)),
    "negative offset": (_v2, (_STORAGE, -4, (2, 2), (2, 1), *_REST)),
    "negative size": (_v2, (_STORAGE, 0, (-2, -2), (2, 1), *_REST)),
    "overflow": (_v2, (_STORAGE, 0, (2**32, 2**32), (2**32, 1), *_REST)),
    "many dimensions": (_v2, (_STORAGE, 0, (1,) * 10**5, (1,) * 10**5, *_REST)),
    "floats as sizes": (_v2, (_STORAGE, 0.5, (2.0, 2), (2, "1"), *_REST)),
    "no storage": (_v2, ("storage", 0, (2, 2), (2, 1), *_REST)),
    "hooks": (_v2, (_STORAGE, 0, (2, 2), (2, 1), False, OrderedDict({0: print}))),
    "parameter of text": (_utils._rebuild_parameter, ("text", True, OrderedDict())),
    "sparse": (
        _utils._rebuild_sparse_tensor,
        (torch.sparse_coo, (torch.tensor([[0, 10**9]]), torch.ones(2), (10**12,))),
    ),
    "sparse, indices outside": (
        _utils._rebuild_sparse_tensor,
        (torch.sparse_coo, (torch.tensor([[-5, 7]]), torch.ones(2), (3,))),
    ),
    "sparse rows": (
        _utils._rebuild_sparse_tensor,
        (torch.sparse_csr, (torch.tensor([0, 9]), torch.tensor([10**9]), torch.ones(1), (1, 2))),
    ),
    "quantized": (
        _utils._rebuild_qtensor,
        (_STORAGE, 0, (_HUGE,), (1,), (torch.per_tensor_affine, 0.1, 0), False, OrderedDict()),
    ),
    "wrapper": (
        _utils._rebuild_wrapper_subclass,
        (torch.Tensor, torch.float32, (_HUGE,), (1,), 0, torch.strided, "cpu", False),
    ),
    "type": (
        torch._tensor._rebuild_from_type_v2,
        (print, torch.nn.Module, ("it ran",), {"state": 1}),
    ),
    "meta": (
        _utils._rebuild_meta_tensor_no_storage,
        (torch.float32, (10**9, 10**9), (10**9, 1), False),
    ),
    "device tensor": (
        _utils._rebuild_device_tensor_from_numpy,
        ("numpy", torch.float32, "cpu", False),
    ),
    "tensor of a size": (torch.Tensor, (10**12,)),
    "parameter of a size": (torch.nn.Parameter, (torch.Tensor, "yes")),
    "bytearray": (bytearray, (10**12,)),
    "set of a number": (set, (5,)),
    "ordered garbage": (OrderedDict, ([1, 2, 3],)),
    "device": (torch.device, ("no such device:99999999999999999999",)),
    "size of text": (torch.Size, ("text",)),
    "complex": (complex, ("1" * 100,)),
}


def _raw(value: bytes, folder: Path, canary: Path) -> Path:
    return torch_zip(folder, pickled(value))


def _raw_key(key: bytes, folder: Path, canary: Path) -> Path:
    return torch_zip(folder, pickled(b"N", key=key))


def _newer(value: bytes, folder: Path, canary: Path) -> Path:
    return torch_zip(folder, pickled(value, protocol=5))


def _deep_list(depth: int) -> bytes:
    return b"]" * depth + b"a" * (depth - 1)


def _deep_dict(depth: int) -> bytes:
    return b"}" + (text("a") + b"}") * (depth - 1) + b"s" * (depth - 1)


def _deep_object(depth: int) -> bytes:
    """Objects that hold one another: nothing is built, but they have to be written again."""
    return b"cargparse\nNamespace\n)R" * depth + b"b" * (depth - 1)


def _laughs(levels: int, *, tuples: bool = False) -> bytes:
    """Each level holds ten times the one before: ten to the power of ``levels`` things."""
    made = b"(" + text("lol") * 10 + (b"t" if tuples else b"l") + b"r" + struct.pack("<I", 100)
    for level in range(1, levels):
        before = b"j" + struct.pack("<I", 99 + level)
        made += b"0(" + before * 10 + (b"t" if tuples else b"l")
        made += b"r" + struct.pack("<I", 100 + level)
    return made


def _pid(numel: bytes, folder: Path, canary: Path) -> Path:
    tensor = b"(" + text("storage") + b"ctorch\nFloatStorage\n" + text("0") + text("cpu")
    return torch_zip(folder, pickled(tensor + numel + b"tQ"))


def _self_reference(value: bytes, folder: Path, canary: Path) -> Path:
    return torch_zip(folder, pickled(value))


def _state_dict_in_itself(folder: Path, canary: Path) -> Path:
    weights: dict[str, Any] = honest()
    weights["state_dict"] = weights
    return saved(folder, weights)


def _many_views(folder: Path, canary: Path) -> Path:
    """A million elements, looked at a hundred thousand times over."""
    base = torch.zeros(10**6)
    content = {f"t{n}": base[n : n + 900_000] for n in range(20_000)}
    return saved(folder, {**honest(), **content})


def _text_number(folder: Path, canary: Path) -> Path:
    return torch_zip(folder, pickled(b"L" + b"9" * 3_000_000 + b"L\n"))


def _long_storage_list(folder: Path, canary: Path) -> Path:
    """A legacy file that announces more storages than it has, each of an absurd size."""
    path = saved(folder, honest(), _use_new_zipfile_serialization=False)
    data = path.read_bytes()
    at = len(data) - 24  # the number of elements, and their values
    path.write_bytes(data[:at] + struct.pack("<q", 2**60) + data[at + 8 :])
    return path


def _legacy_negative(folder: Path, canary: Path) -> Path:
    path = saved(folder, honest(), _use_new_zipfile_serialization=False)
    data = path.read_bytes()
    path.write_bytes(data[:-24] + struct.pack("<q", -4) + data[-16:])
    return path


def _wrong_order(folder: Path, canary: Path) -> Path:
    return torch_zip(folder, pickled(b"N"), Entry("archive/byteorder", b"middle"))


SIZES: dict[str, Maker] = {
    **{f"call: {name}": partial(_call, *call) for name, call in _CALLS.items()},
    "list 10,000 deep": partial(_raw, _deep_list(10_000)),
    "list 1,000,000 deep": partial(_raw, _deep_list(1_000_000)),
    "dict 10,000 deep": partial(_raw, _deep_dict(10_000)),
    "objects 10,000 deep": partial(_raw, _deep_object(10_000)),
    "tuple 100,000 deep": partial(_raw, b")" + b"\x85" * 100_000),
    "key 100,000 deep": partial(_raw_key, b")" + b"\x85" * 100_000),
    "member 100,000 deep": partial(_newer, b"\x8f(" + b")" + b"\x85" * 100_000 + b"\x90"),
    "laughs": partial(_raw, _laughs(30)),
    "laughs as a key": partial(_raw_key, _laughs(30, tuples=True)),
    "laughs in a set": partial(_newer, b"\x8f(" + _laughs(30, tuples=True) + b"\x90"),
    "laughs in an object": partial(_raw, b"cargparse\nNamespace\n)R" + _laughs(30) + b"b"),
    "list in itself": partial(_self_reference, b"]q\x05h\x05a"),
    "dict in itself": partial(_self_reference, b"}q\x05" + text("a") + b"h\x05s"),
    "state_dict in itself": _state_dict_in_itself,
    "storage of 10^15": partial(_pid, b"\x8a\x08" + struct.pack("<q", _HUGE)),
    "storage of -4": partial(_pid, b"J" + struct.pack("<i", -4)),
    "text of 4 GB": partial(_raw, b"X\xff\xff\xff\xff"),
    "bytearray of a TB": partial(_newer, b"\x96" + struct.pack("<Q", 10**12)),
    "frame of a TB": partial(_newer, b"\x95" + struct.pack("<Q", 10**12) + b"N"),
    "number of 3 million digits": _text_number,
    "number of 2 GB": partial(_raw, b"\x8b" + struct.pack("<i", 2**31 - 1)),
    "memo of 4 billion": partial(_raw, b"Nr\xff\xff\xff\xff"),
    "opcodes without end": partial(_raw, b"N0" * 20_000_000 + b"N"),
    "views without end": _many_views,
    "legacy storage of 2^60": _long_storage_list,
    "legacy storage of -4": _legacy_negative,
    "byte order": _wrong_order,
}
