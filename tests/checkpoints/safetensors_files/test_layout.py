from __future__ import annotations

import json

import pytest
import torch
from safetensors.torch import load_file

from prunetool.checkpoints.fingerprints import fingerprint
from prunetool.checkpoints.safetensors_files.layout import (
    Entry,
    aligned_order,
    check_safetensors,
    opening,
)
from prunetool.errors import OutputError

WIDE = Entry("a.wide", torch.float64, torch.Size([2]))
NARROW = Entry("a.narrow", torch.int8, torch.Size([3]))
CONTENT = {WIDE: torch.tensor([1.0, 2.0]).double(), NARROW: torch.tensor([3, 4, 5]).char()}


def written(path):
    values = b"".join(CONTENT[entry].numpy().tobytes() for entry in (WIDE, NARROW))
    path.write_bytes(opening([WIDE, NARROW], {"format": "pt", "a": "ä"}) + values)
    return {entry: list(in_pieces(it.numpy().tobytes())) for entry, it in CONTENT.items()}


def in_pieces(content):
    for piece in (content[:2], content[2:]):
        yield len(piece), fingerprint(piece)


def test_the_order_keeps_values_aligned():
    half = Entry("b", torch.float16, torch.Size([]))
    assert aligned_order([NARROW, half, WIDE]) == [WIDE, half, NARROW]


def test_the_header_by_itself(tmp_path):
    content = opening([WIDE, NARROW], {"b": "2", "a": "1"})

    assert len(content) % 8 == 0
    assert int.from_bytes(content[:8], "little") == len(content) - 8
    assert list(json.loads(content[8:])["__metadata__"]) == ["a", "b"]
    written(tmp_path / "a")
    found = load_file(tmp_path / "a")
    assert {name: it.tolist() for name, it in found.items()} == {
        "a.wide": [1.0, 2.0],
        "a.narrow": [3, 4, 5],
    }


METADATA = {"format": "pt", "a": "ä"}


def test_what_was_written_reads_back(tmp_path):
    sums = written(tmp_path / "a")
    check_safetensors(tmp_path / "a", sums, metadata=METADATA, target=tmp_path / "b")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda it: it[:-1] + b"\7", "b: a.narrow does not read back as it was written"),
        (lambda it: it[:-4] + b"\7" + it[-3:], "b: a.wide does not read back"),
        (lambda it: it[:-1], "b: does not read back: "),
        (lambda it: it.replace(b"a.narrow", b"a.marrow"), "b: a.marrow does not read back"),
        (lambda it: it.replace(b"F64", b"I64"), "b: a.wide does not read back"),
        (lambda it: it.replace("ä".encode(), b"xx"), "b: the metadata does not read back"),
    ],
)
def test_a_file_that_changed_is_noticed(change, message, tmp_path):
    sums = written(tmp_path / "a")
    path = tmp_path / "a"
    path.write_bytes(change(path.read_bytes()))

    with pytest.raises(OutputError, match=message):
        check_safetensors(path, sums, metadata=METADATA, target=tmp_path / "b")
