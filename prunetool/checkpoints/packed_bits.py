"""Reading masks of one bit an element, in the layout of ``pruning/bits.py``, range by range."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from prunetool.pruning.bits import BITS_A_BYTE


def unpack_range(read: Callable[[int, int], Tensor], start: int, stop: int) -> Tensor:
    """Return the bits from ``start`` up to ``stop``.

    Args:
        read: returns a range of the packed bytes, as a uint8 tensor.

    Returns:
        A new one-dimensional bool tensor.
    """
    first = start // BITS_A_BYTE
    packed = read(first, -(-stop // BITS_A_BYTE)).numpy()
    unpacked = torch.from_numpy(np.unpackbits(packed, bitorder="little").view(bool))
    return unpacked[start - first * BITS_A_BYTE : stop - first * BITS_A_BYTE]
