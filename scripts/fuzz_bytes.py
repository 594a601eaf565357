"""Damage that knows nothing of a file: bits, runs of bytes, an end that is missing."""

from __future__ import annotations

import random
from collections.abc import Callable

Change = Callable[[bytes, bytes, random.Random], bytes]
"""From the bytes of a file, those of another file and dice to what is left of the first."""


def flip_bits(data: bytes, other: bytes, dice: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(dice.choice((1, 1, 2, 8, 64))):
        changed[dice.randrange(len(changed))] ^= 1 << dice.randrange(8)
    return bytes(changed)


def overwrite(data: bytes, other: bytes, dice: random.Random) -> bytes:
    start, stop = _run(data, dice)
    filling = dice.choice((b"\0", b"\xff", b"]", b"{", dice.randbytes(1)))
    return data[:start] + filling * (stop - start) + data[stop:]


def truncate(data: bytes, other: bytes, dice: random.Random) -> bytes:
    return data[: dice.choice((dice.randrange(len(data)), len(data) - 1, min(len(data), 8)))]


def delete(data: bytes, other: bytes, dice: random.Random) -> bytes:
    start, stop = _run(data, dice)
    return data[:start] + data[stop:]


def repeat(data: bytes, other: bytes, dice: random.Random) -> bytes:
    start, stop = _run(data, dice)
    return data[:stop] + data[start:stop] * dice.choice((1, 2, 50)) + data[stop:]


def insert(data: bytes, other: bytes, dice: random.Random) -> bytes:
    at = dice.randrange(len(data) + 1)
    return data[:at] + dice.randbytes(dice.choice((1, 4, 100))) + data[at:]


def splice(data: bytes, other: bytes, dice: random.Random) -> bytes:
    """A run of another file over the same place, or its end instead of ours."""
    start, stop = _run(other, dice)
    if dice.random() < 0.3:
        return data[:start] + other[start:]
    return data[:start] + other[start:stop] + data[stop:]


def edit_end(data: bytes, other: bytes, dice: random.Random) -> bytes:
    """Where a zip archive has its table of contents."""
    changed = bytearray(data)
    for _ in range(dice.choice((1, 2, 6))):
        at = len(changed) - 1 - dice.randrange(min(len(changed), 400))
        changed[at] = dice.choice((0, 1, 0x7F, 0xFF, dice.randrange(256)))
    return bytes(changed)


def edit_start(data: bytes, other: bytes, dice: random.Random) -> bytes:
    """Where other formats have theirs."""
    changed = bytearray(data)
    for _ in range(dice.choice((1, 2, 6))):
        at = dice.randrange(min(len(changed), 200))
        changed[at] = dice.choice((0, 1, 0x7F, 0xFF, dice.randrange(256)))
    return bytes(changed)


def _run(data: bytes, dice: random.Random) -> tuple[int, int]:
    start = dice.randrange(len(data)) if data else 0
    return start, min(len(data), start + dice.choice((1, 2, 8, 64, 1000)))


BYTES: dict[str, Change] = {
    "bits": flip_bits,
    "overwritten run": overwrite,
    "truncation": truncate,
    "missing run": delete,
    "repeated run": repeat,
    "inserted bytes": insert,
    "splice": splice,
    "end of the file": edit_end,
    "start of the file": edit_start,
}
