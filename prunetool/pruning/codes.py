"""One byte a score: where it lies, above, between or below two edges.

The codes are made to be looked at eight at a time, as one 64-bit word.
"""

from __future__ import annotations

import torch
from torch import Tensor

from prunetool.pruning.pieces import piece_size

# The sum of "less than the upper edge" and "at most the lower edge", each 0 or 1.
ABOVE, BETWEEN, BELOW = 0, 1, 2
_WORD = 8
# Bit 0 of each byte of a word: set for BETWEEN alone.
_LOWEST_BITS = 0x0101010101010101


def room_for(count: int, device: torch.device) -> Tensor:
    """Give a uint8 tensor for ``count`` codes, at a whole number of words; the rest is ABOVE."""
    whole = -(-count // _WORD) * _WORD
    codes = torch.empty(whole, dtype=torch.uint8, device=device)
    codes[count:] = ABOVE
    return codes


def between(codes: Tensor) -> Tensor:
    """Give the positions of BETWEEN, ascending: one-dimensional, int64.

    Args:
        codes: from :func:`room_for`.
    """
    found = [torch.empty(0, dtype=torch.int64, device=codes.device)]
    words = codes.view(torch.int64)
    step = piece_size(codes.device)
    for start in range(0, words.numel(), step):
        part = words[start : start + step] & _LOWEST_BITS
        held = part.nonzero().view(-1)
        if held.numel():
            row, column = part[held].view(torch.uint8).view(-1, _WORD).nonzero(as_tuple=True)
            found.append((held[row] + start).mul_(_WORD).add_(column))
    return torch.cat(found)


def as_marks(codes: Tensor, count: int) -> Tensor:
    """Turn codes, in place, into a bool tensor of ``count``: True for BELOW."""
    words = codes.view(torch.int64)
    step = piece_size(codes.device)
    for start in range(0, words.numel(), step):
        words[start : start + step].bitwise_right_shift_(1).bitwise_and_(_LOWEST_BITS)
    return codes.view(torch.bool)[:count]
