"""The header of a safetensors file: which tensors there are, and where. Nothing in it is trusted.

The layout: the header's length (8 bytes, little-endian), the header (JSON), then the values of
all tensors, without gaps and without anything behind them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from prunetool.checkpoints.names import shown
from prunetool.checkpoints.safetensors_files.strict_json import parse_object
from prunetool.checkpoints.sizes import are_sizes, is_shape

METADATA = "__metadata__"
_FIELDS = {"dtype", "shape", "data_offsets"}
DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "F8_E4M3": torch.float8_e4m3fn,
    "F8_E4M3FNUZ": torch.float8_e4m3fnuz,
    "F8_E5M2": torch.float8_e5m2,
    "F8_E5M2FNUZ": torch.float8_e5m2fnuz,
    "C64": torch.complex64,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U64": torch.uint64,
    "U32": torch.uint32,
    "U16": torch.uint16,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}
if hasattr(torch, "float8_e8m0fnu"):  # since torch 2.7
    DTYPES["F8_E8M0"] = torch.float8_e8m0fnu


class HeaderError(ValueError):
    """The header is not what safetensors writes; says why."""


@dataclass(frozen=True)
class Placed:
    """A tensor: its kind, and the bytes of its values, counted from the header's end."""

    dtype: torch.dtype
    shape: torch.Size
    start: int
    stop: int


def parse_header(content: bytes, size: int) -> tuple[dict[str, Placed], dict[str, str]]:
    """Read a header.

    Args:
        content: the JSON.
        size: bytes in the file behind it.

    Returns:
        The tensors by name, in the header's order, and the metadata.

    Raises:
        ValueError: saying what is wrong.
    """
    fields = parse_object(content)
    metadata = _metadata(fields.pop(METADATA, None))
    tensors = {name: _placed(name, field) for name, field in fields.items()}
    _check_places(tensors, size)
    return tensors, metadata


def _metadata(value: Any) -> dict[str, str]:
    if value is None:
        return {}
    if not isinstance(value, dict) or not all(isinstance(it, str) for it in value.values()):
        raise HeaderError(f"{METADATA} that is not text by name")
    return value


def _placed(name: str, field: Any) -> Placed:
    if not isinstance(field, dict) or set(field) != _FIELDS:
        raise HeaderError(f"{shown(name)} without dtype, shape and data_offsets")
    kind, shape, offsets = (field[key] for key in ("dtype", "shape", "data_offsets"))
    if not isinstance(kind, str) or kind not in DTYPES:
        raise HeaderError(f"{shown(name)} of {shown(kind)}, a dtype that torch cannot hold")
    dtype = DTYPES[kind]
    if not is_shape(shape):
        raise HeaderError(f"{shown(name)} of the shape {shown(shape)}")
    if not are_sizes(offsets) or len(offsets) != 2 or offsets[0] > offsets[1]:
        raise HeaderError(f"{shown(name)} at {shown(offsets)}")
    start, stop = offsets
    wanted = math.prod(shape) * dtype.itemsize
    if stop - start != wanted:
        raise HeaderError(
            f"{shown(name)} of {shown(shape)} of {kind}, which takes {wanted} bytes, in "
            f"{stop - start} bytes"
        )
    return Placed(dtype, torch.Size(shape), start, stop)


def _check_places(tensors: Mapping[str, Placed], size: int) -> None:
    end = 0
    for name, it in sorted(tensors.items(), key=lambda item: (item[1].start, item[1].stop)):
        if it.start != end:
            problem = "on another tensor" if it.start < end else f"behind {it.start - end} bytes"
            raise HeaderError(f"{shown(name)} {problem}, where one should follow the other")
        end = it.stop
    if end > size:
        raise HeaderError(f"{end} bytes of values, and {size} in the file: it is cut off")
    if end < size:
        raise HeaderError(f"{end} bytes of values, and {size - end} more that belong to nothing")
