"""Elements that are not zero, by their value or by their bits."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

SAME_WIDTH = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
UNKNOWN_TO_NUMPY = {
    torch.bfloat16: 0x7FFF,
    torch.float8_e4m3fn: 0x7F,
    torch.float8_e5m2: 0x7F,
}  # the bits without the sign


def bits_of(values: Tensor) -> Tensor:
    """See a contiguous tensor as integers of the same width."""
    return values.view(SAME_WIDTH[values.dtype.itemsize])


def count_nonzeros(values: Tensor) -> int:
    """Count the elements that are neither 0.0 nor -0.0, in a one-dimensional tensor."""
    without_sign = UNKNOWN_TO_NUMPY.get(values.dtype)
    if without_sign is not None:
        return int(np.count_nonzero(bits_of(values).numpy() & without_sign))
    with np.errstate(invalid="ignore"):  # signalling NaNs, which are not zero
        return int(np.count_nonzero(values.numpy() != 0))


def without_negative_zeros(values: Tensor) -> Tensor:
    """Return a copy of a floating tensor in which -0.0 is +0.0, and all else is the same."""
    bits = bits_of(values)
    sign = 0x80 if bits.dtype == torch.uint8 else torch.iinfo(bits.dtype).min
    return bits.masked_fill(bits == sign, 0).view(values.dtype)
