"""The zeros of a tensor, counted in one pass that holds a few pieces of it at most."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from prunetool.checkpoints.progress import Advance, unseen
from prunetool.reports.counting.boxes import FEWEST_DIMS_OF_A_MATRIX, box_shape, boxes, read_box
from prunetool.reports.counting.deadchannels import DeadChannels
from prunetool.reports.counting.zeropatterns import ZeroPattern

# Elements that are counted at once: few, since each is looked at several times, best in a cache.
_PIECE = 2**17
# Floats of which +0 and -0 are the zeros, and the sign is the highest bit. By their bits they are
# counted two to five times as fast, and 8-bit ones, which torch cannot compare, at all.
_BITS = {
    torch.float64: torch.int64,
    torch.float32: torch.int32,
    torch.float16: torch.int16,
    torch.bfloat16: torch.int16,
    torch.float8_e4m3fn: torch.int8,
    torch.float8_e5m2: torch.int8,
}


@dataclass(frozen=True)
class Zeros:
    """What there is to know of the zeros of a tensor.

    Attributes:
        count: how many there are.
        pattern: see ``zeropatterns.py``.
        dead_channels: how many slices are all zero along dim 0, and along dim 1; ``()`` below two
            dims.
    """

    count: int
    pattern: str | None
    dead_channels: tuple[int, ...]


def find_zeros(
    flat: Callable[[int, int], Tensor],
    shape: torch.Size,
    *,
    advance: Advance = unseen,
    piece: int = _PIECE,
) -> Zeros:
    """Read a tensor once and count.

    Args:
        flat: returns a range of its elements in row-major order, as a new tensor.
        advance: told the bytes of each piece.
        piece: elements to hold at once.
    """
    if shape.numel() == 0:
        return Zeros(0, None, (0, 0) if len(shape) >= FEWEST_DIMS_OF_A_MATRIX else ())
    cut = box_shape(shape, piece)
    pattern, dead = ZeroPattern(shape, cut), DeadChannels(shape, cut)
    count = 0
    for box in boxes(shape, cut):
        values = read_box(flat, shape, box)
        countable = _countable(values)
        array = countable.numpy()
        kept = int(np.count_nonzero(array))
        pattern.see(box, countable, kept)
        dead.see(box, array, kept)
        count += values.numel() - kept
        advance(values.nbytes)
    return Zeros(count, pattern.name(), dead.counts())


def _countable(values: Tensor) -> Tensor:
    """Return a tensor with the same elements zero that is fast to count; ``values`` may change."""
    if values.dtype in _BITS:
        bits = values.view(_BITS[values.dtype])
        return bits.bitwise_and_(torch.iinfo(bits.dtype).max)
    # Other 8-bit floats have one zero or none; wider ones hold all their values.
    narrow = values.is_floating_point() and values.element_size() == 1
    return values.float() if narrow else values
