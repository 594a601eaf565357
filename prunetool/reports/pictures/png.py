"""PNG files of one colour, whose levels are how opaque it is: they suit any background."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Sequence
from struct import pack

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_INDEXED = 3


def png(levels: Sequence[Sequence[int]], *, bits: int, colour: tuple[int, int, int]) -> bytes:
    """Write a picture; the same levels give the same bytes.

    Args:
        levels: rows of pixels in [0, 2**bits), 0 for transparent and the highest for opaque.
        bits: of a pixel: 1, 2, 4 or 8.
        colour: red, green and blue, of all pixels.
    """
    width, height, highest = len(levels[0]), len(levels), 2**bits - 1
    opacity = bytes(round(255 * level / highest) for level in range(highest + 1))
    rows = b"".join(b"\0" + _packed(row, bits) for row in levels)
    return b"".join(
        [
            _SIGNATURE,
            _chunk(b"IHDR", pack(">IIBBBBB", width, height, bits, _INDEXED, 0, 0, 0)),
            _chunk(b"PLTE", bytes(colour) * (highest + 1)),
            _chunk(b"tRNS", opacity),
            _chunk(b"IDAT", zlib.compress(rows, 9)),
            _chunk(b"IEND", b""),
        ]
    )


def data_uri(content: bytes) -> str:
    """Give a picture as an address that holds it."""
    return f"data:image/png;base64,{base64.b64encode(content).decode()}"


def _packed(row: Sequence[int], bits: int) -> bytes:
    """Put pixels into bytes, the first into the highest bits."""
    each = 8 // bits
    filled = [*row, *([0] * (-len(row) % each))]
    out = bytearray()
    for start in range(0, len(filled), each):
        value = 0
        for pixel in filled[start : start + each]:
            value = value << bits | pixel
        out.append(value)
    return bytes(out)


def _chunk(kind: bytes, content: bytes) -> bytes:
    return pack(">I", len(content)) + kind + content + pack(">I", zlib.crc32(kind + content))
