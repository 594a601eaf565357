"""Masks as bits: one bit an element instead of one byte, for checkpoints.

The layout is the plainest there is, so that anybody can read it: elements in row-major order,
bit ``i % 8`` of byte ``i // 8`` (little-endian bits), 1 for an element that is kept. The unused
bits of the last byte are 0.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

BITS_A_BYTE = 8


def pack_bits(mask: Tensor) -> Tensor:
    """Pack a bool tensor of any shape into ``ceil(numel / 8)`` bytes.

    Returns:
        A one-dimensional uint8 tensor on the CPU.
    """
    flat = mask.detach().reshape(-1).to(device="cpu", dtype=torch.uint8)
    padding = -flat.numel() % BITS_A_BYTE
    rows = torch.nn.functional.pad(flat, (0, padding)).view(-1, BITS_A_BYTE)
    packed = torch.zeros(rows.shape[0], dtype=torch.uint8)
    for bit in range(BITS_A_BYTE):
        packed |= rows[:, bit] << bit
    return packed


def unpack_bits(packed: Tensor, shape: Sequence[int]) -> Tensor:
    """Undo :func:`pack_bits`.

    Returns:
        A bool tensor of ``shape`` on the CPU.

    Raises:
        ValueError: if ``packed`` does not have exactly the bytes that ``shape`` needs.
    """
    numel = int(torch.Size(shape).numel())
    expected = -(-numel // BITS_A_BYTE)
    if packed.dtype != torch.uint8 or packed.dim() != 1 or packed.numel() != expected:
        raise ValueError(
            f"expected {expected} bytes for a mask of shape {tuple(shape)}, "
            f"got {packed.dtype} of shape {tuple(packed.shape)}"
        )
    bits = torch.arange(BITS_A_BYTE, dtype=torch.uint8)
    unpacked = (packed.cpu().unsqueeze(1) >> bits) & 1
    return unpacked.reshape(-1)[:numel].to(torch.bool).view(tuple(shape))
