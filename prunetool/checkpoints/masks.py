"""The masks that a checkpoint holds, whoever wrote them, as bool tensors of one meaning."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from prunetool.checkpoints.lazy import LazyTensor, as_lazy
from prunetool.checkpoints.nonzeros import SAME_WIDTH, UNKNOWN_TO_NUMPY
from prunetool.checkpoints.packed_bits import unpack_range
from prunetool.errors import CheckpointError
from prunetool.pruning.bits import BITS_A_BYTE

MARKER = "prunetool"  # in the state that prunetool's callback leaves in a checkpoint
SCHEMA = 1


class MaskKind(enum.StrEnum):
    """Who wrote a mask."""

    PRUNETOOL = "prunetool"
    TORCH = "torch"


@dataclass(frozen=True)
class Mask:
    """One mask of one tensor.

    Attributes:
        kind: who wrote it.
        flat: given the shape of the masked tensor and a range of its elements in row-major
            order, returns a new one-dimensional bool tensor, True where an element is kept;
            reads from the file only now, and raises CheckpointError if it is no mask.
    """

    kind: MaskKind
    flat: Callable[[torch.Size, int, int], Tensor]

    def read(self, shape: torch.Size) -> Tensor:
        """Return the whole mask of a tensor of ``shape``."""
        return self.flat(shape, 0, shape.numel()).reshape(shape)


def zero_removed(values: Tensor, kept: Tensor) -> None:
    """Set the elements of ``values`` that are not ``kept`` to +0.0, in place.

    By multiplying their bits: ``masked_fill_`` decides for each element, and is 15 times as slow
    where the decisions cannot be foreseen.
    """
    width = SAME_WIDTH.get(values.dtype.itemsize)
    if width is None:
        values.masked_fill_(~kept, 0)
    else:
        values.view(width).mul_(kept)


def tensor_mask(key: str, stored: LazyTensor, path: Path) -> Mask:
    """Take a tensor of zeros and ones, of any dtype, for a mask.

    ``key`` and ``path`` say in error messages where it is.
    """

    def flat(shape: torch.Size, start: int, stop: int) -> Tensor:
        if stored.shape != shape:
            raise CheckpointError(
                f"{path}: mask {key}: expected the shape {list(shape)} of its tensor, "
                f"found {list(stored.shape)}; the file is inconsistent"
            )
        kept = _kept(stored.flat(start, stop))
        if kept is None:
            raise CheckpointError(
                f"{path}: mask {key}: expected only 0 and 1, found other values; "
                "if it is no mask, rename it or its partner"
            )
        return kept

    return Mask(MaskKind.TORCH, flat)


def _kept(values: Tensor) -> Tensor | None:
    """Return where a mask is 1; None if it is anything but 0 elsewhere.

    By numpy, which is ten times as fast as torch on a piece in one thread.
    """
    if values.dtype == torch.bool:
        return values
    known = values.numpy() if values.dtype not in UNKNOWN_TO_NUMPY else values.float().numpy()
    kept = known == 1
    return torch.from_numpy(kept) if np.array_equal(kept, known != 0) else None


def prunetool_masks(content: Any, path: Path) -> dict[str, list[Mask]]:
    """Find the masks of every prunetool callback in a checkpoint, by parameter name."""
    masks: dict[str, list[Mask]] = {}
    for state in callback_states(content):
        if not is_mask_state(state):
            continue
        if state[MARKER] != SCHEMA:
            raise CheckpointError(
                f"{path}: mask state of schema {state[MARKER]!r}; this prunetool knows schema "
                f"{SCHEMA}: upgrade prunetool"
            )
        entries = state.get("masks", {})
        if not isinstance(entries, dict) or not all(map(_is_packed, entries.values())):
            raise CheckpointError(
                f"{path}: mask state: expected a shape and bits for each name; "
                "the file is inconsistent"
            )
        for name, entry in entries.items():
            masks.setdefault(name, []).append(_packed_mask(name, entry, path))
    return masks


def callback_states(content: Any) -> Iterator[dict[str, Any]]:
    """Yield the states of all callbacks in a Lightning checkpoint that are plain dicts."""
    callbacks = content.get("callbacks") if isinstance(content, Mapping) else None
    if isinstance(callbacks, Mapping):
        yield from (state for state in callbacks.values() if isinstance(state, dict))


def is_mask_state(state: Any) -> bool:
    """Say whether a callback's state is that of ``prunetool.ModelPruning``."""
    return isinstance(state, dict) and MARKER in state


def _is_packed(entry: Any) -> bool:
    return (
        isinstance(entry, dict)
        and isinstance(entry.get("shape"), list | tuple)
        and as_lazy(entry.get("bits")) is not None
    )


def _packed_mask(name: str, entry: dict[str, Any], path: Path) -> Mask:
    bits = as_lazy(entry["bits"])
    assert bits is not None

    def flat(shape: torch.Size, start: int, stop: int) -> Tensor:
        if tuple(entry["shape"]) != tuple(shape):
            raise CheckpointError(
                f"{path}: mask of {name}: expected the shape {list(shape)} of its tensor, "
                f"found {list(entry['shape'])}; the file is inconsistent"
            )
        if bits.dtype != torch.uint8 or len(bits.shape) != 1 or bits.elements != _bytes(shape):
            raise CheckpointError(
                f"{path}: mask of {name}: expected {_bytes(shape)} bytes for a mask of shape "
                f"{list(shape)}, found {bits.dtype} of shape {list(bits.shape)}; "
                "the file is inconsistent"
            )
        return unpack_range(bits.flat, start, stop)

    return Mask(MaskKind.PRUNETOOL, flat)


def _bytes(shape: torch.Size) -> int:
    return -(-shape.numel() // BITS_A_BYTE)
