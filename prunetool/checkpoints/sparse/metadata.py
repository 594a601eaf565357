"""What a sparse file says of its tensors, written and understood.

The field ``sparse`` of the metadata is JSON: ``{"version": 1, "tensors": {NAME: {"shape": [...],
"mask": [...]}}}``. Every NAME is stored as two tensors:

``NAME.bits``
    uint8: one bit for each element of a mask of the shape ``mask``, which broadcasts to ``shape``;
    row-major, bit ``i % 8`` of byte ``i // 8``, 1 where elements are stored; unused bits are 0
``NAME.values``
    the elements at the ones of the broadcast mask, in row-major order and in their dtype

What is not stored has no bit set: it is 0, and never -0.0. All other tensors of the file are dense.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from prunetool.checkpoints.safetensors_files.strict_json import parse_object
from prunetool.checkpoints.sizes import is_shape
from prunetool.checkpoints.streams import Stream
from prunetool.errors import CheckpointError

VERSION = 1
BITS = ".bits"
VALUES = ".values"
NAMED_BYTES = 200  # that the header grows by where a tensor is stored as two
# Masks of slices can say of a few bytes that they are any number of zeros.
FREE_ZEROS = 2**30  # zeros of one file that no stored bytes stand for
_ZEROS_FOR_A_VALUE = 64  # a mask of slices may leave out as many for each value stored

Shape = tuple[int, ...]


def stored_names(name: str) -> tuple[str, str]:
    """Return the names of the bits and the values of a tensor."""
    return name + BITS, name + VALUES


def free_zeros(elements: int, stored: int) -> int:
    """Return how many elements are zeros that nothing in the file stands for."""
    return max(elements - stored * (1 + _ZEROS_FOR_A_VALUE), 0)


def described(streams: Iterable[Stream]) -> str:
    """Return the field for the tensors of one file."""
    tensors = {stream.name: stream.described() for stream in streams}
    chosen = {name: it for name, it in sorted(tensors.items()) if it is not None}
    content = {"version": VERSION, "tensors": chosen}
    return json.dumps(content, separators=(",", ":"), ensure_ascii=False)


def understood(field: str, path: Path) -> dict[str, tuple[Shape, Shape]]:
    """Return the shape and the mask's shape of every sparse tensor of a file.

    Raises:
        CheckpointError: if the field is not what a prunetool of this version writes.
    """
    try:
        content = parse_object(field.encode())
    except ValueError as error:
        raise wrong(path, f"its field 'sparse' is {error}") from error
    if not isinstance(content.get("version"), int):
        raise wrong(path, "its field 'sparse' names no version")
    if content["version"] != VERSION:
        raise CheckpointError(
            f"{path}: sparse format of version {content['version']}; this prunetool knows "
            f"version {VERSION}: upgrade prunetool"
        )
    tensors = content.get("tensors")
    if not isinstance(tensors, dict):
        raise wrong(path, "its field 'sparse' names no tensors")
    return {name: _shapes(name, how, path) for name, how in tensors.items()}


def wrong(path: Path, what: str) -> CheckpointError:
    """Say that a sparse file is not one."""
    return CheckpointError(f"{path}: not a sparse file that can be read: {what}; copy it again")


def _shapes(name: str, how: Any, path: Path) -> tuple[Shape, Shape]:
    fields = how if isinstance(how, dict) else {}
    shape: Any = fields.get("shape")
    mask: Any = fields.get("mask")
    if not is_shape(shape) or not is_shape(mask) or len(shape) != len(mask):
        raise wrong(path, f"{name} has no shape and mask of as many dims")
    if any(one not in (size, 1) for one, size in zip(mask, shape, strict=True)):
        raise wrong(path, f"{name}: a mask of shape {mask} does not broadcast to {shape}")
    return tuple(shape), tuple(mask)
