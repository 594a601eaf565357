"""One byte a score: where it lies, above, between or below two edges.

The codes are made to be looked at eight at a time, as one 64-bit word.
"""

from __future__ import annotations

import torch
from torch import Tensor

from prunetool.pruning.pieces import piece_size

# Bit 0: less than the upper edge. Bit 1: at most the lower edge, or taken.
ABOVE, BETWEEN, BELOW = 0, 1, 3
_WORD = 8
# Bit 0 of each byte of a word.
_LOWEST_BITS = 0x0101010101010101


def room_for(count: int, device: torch.device) -> Tensor:
    """Give a uint8 tensor for ``count`` codes, at a whole number of words; the rest is ABOVE."""
    whole = -(-count // _WORD) * _WORD
    codes = torch.empty(whole, dtype=torch.uint8, device=device)
    codes[count:] = ABOVE
    return codes


def take(codes: Tensor, taken: Tensor) -> None:
    """Make BELOW of all that is True in the flat bool ``taken``."""
    step = piece_size(codes.device) * _WORD
    for start in range(0, taken.numel(), step):
        bits = taken[start : start + step].view(torch.uint8) << 1
        codes[start : start + bits.numel()].bitwise_or_(bits)


def between(codes: Tensor) -> Tensor:
    """Give the positions of BETWEEN, ascending: one-dimensional, int64.

    Args:
        codes: from :func:`room_for`.
    """
    found = [torch.empty(0, dtype=torch.int64, device=codes.device)]
    words = codes.view(torch.int64)
    step = piece_size(codes.device)
    for start in range(0, words.numel(), step):
        part = words[start : start + step]
        part = (part >> 1).bitwise_not_().bitwise_and_(part).bitwise_and_(_LOWEST_BITS)
        held = part.nonzero().view(-1)
        if held.numel():
            row, column = part[held].view(torch.uint8).view(-1, _WORD).nonzero(as_tuple=True)
            found.append((held[row] + start).mul_(_WORD).add_(column))
    return torch.cat(found)


def as_marks(codes: Tensor, count: int) -> Tensor:
    """Turn codes, in place, into a bool tensor of ``count``: True for BELOW and what was taken."""
    words = codes.view(torch.int64)
    step = piece_size(codes.device)
    for start in range(0, words.numel(), step):
        words[start : start + step].bitwise_right_shift_(1).bitwise_and_(_LOWEST_BITS)
    return codes.view(torch.bool)[:count]
