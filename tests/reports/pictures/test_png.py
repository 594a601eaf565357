from __future__ import annotations

import zlib
from struct import unpack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prunetool.reports.pictures.png import png


def read(content):
    """Read a picture of levels back, as the standard (ISO/IEC 15948) says."""
    assert content[:8] == b"\x89PNG\r\n\x1a\n"
    chunks, at = {}, 8
    while at < len(content):
        (length,) = unpack(">I", content[at : at + 4])
        kind, body = content[at + 4 : at + 8], content[at + 8 : at + 8 + length]
        (crc,) = unpack(">I", content[at + 8 + length : at + 12 + length])
        assert crc == zlib.crc32(kind + body)
        chunks[kind] = body
        at += 12 + length
    assert list(chunks) == [b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"]
    width, height, depth, colour, *rest = unpack(">IIBBBBB", chunks[b"IHDR"])
    assert (colour, rest) == (3, [0, 0, 0])
    raw = zlib.decompress(chunks[b"IDAT"])
    stride = (width * depth + 7) // 8 + 1
    assert len(raw) == stride * height
    rows = []
    for y in range(height):
        line = raw[y * stride : (y + 1) * stride]
        assert line[0] == 0
        bits = "".join(f"{byte:08b}" for byte in line[1:])
        rows.append([int(bits[x * depth : (x + 1) * depth], 2) for x in range(width)])
    return rows, chunks[b"PLTE"], chunks[b"tRNS"]


@given(st.data(), st.sampled_from([1, 2, 4, 8]), st.integers(1, 20), st.integers(1, 5))
def test_pixels_come_back(data, bits, width, height):
    row = st.lists(st.integers(0, 2**bits - 1), min_size=width, max_size=width)
    levels = data.draw(st.lists(row, min_size=height, max_size=height))

    rows, palette, opacity = read(png(levels, bits=bits, colour=(1, 2, 3)))

    assert rows == levels
    assert palette == bytes([1, 2, 3]) * 2**bits
    assert (opacity[0], opacity[-1], len(opacity)) == (0, 255, 2**bits)
    assert list(opacity) == sorted(opacity)


@pytest.mark.parametrize("bits", [1, 4])
def test_the_same_levels_are_the_same_bytes(bits):
    assert png([[0, 1]], bits=bits, colour=(9, 9, 9)) == png([(0, 1)], bits=bits, colour=(9, 9, 9))
