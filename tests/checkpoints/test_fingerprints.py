"""Fingerprints differ where bytes do."""

from __future__ import annotations

import random

import pytest

from prunetool.checkpoints.fingerprints import fingerprint

CONTENT = random.Random(0).randbytes(5 * 4096 + 77)


def test_it_depends_on_the_bytes_alone():
    shifted = memoryview(b"x" + CONTENT)[1:]  # words at odd addresses
    assert len({fingerprint(it) for it in (CONTENT, bytearray(CONTENT), shifted)}) == 1


def test_nothing_has_one_too():
    assert fingerprint(b"") == fingerprint(bytearray())


@pytest.mark.parametrize("at", [0, 7, 4095, 4096, 5 * 4096 - 1, 5 * 4096, len(CONTENT) - 1])
@pytest.mark.parametrize("bit", [0, 7])
def test_any_bit_counts(at, bit):
    changed = bytearray(CONTENT)
    changed[at] ^= 1 << bit
    assert fingerprint(changed) != fingerprint(CONTENT)


def test_pages_and_words_have_their_places():
    pages = CONTENT[4096:8192] + CONTENT[:4096] + CONTENT[8192:]
    words = CONTENT[8:16] + CONTENT[:8] + CONTENT[16:]
    assert len({fingerprint(it) for it in (CONTENT, pages, words)}) == 3


def test_length_counts():
    assert len({fingerprint(bytes(it)) for it in (1, 2, 4096, 4097, 8192)}) == 5
