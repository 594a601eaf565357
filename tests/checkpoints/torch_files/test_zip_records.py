"""Records of torch archives, as torch's own reader finds them; forged archives are refused."""

from __future__ import annotations

import io
import struct
import zipfile

import pytest
import torch

from prunetool.checkpoints.byte_source import ByteSource
from prunetool.checkpoints.torch_files.reading import read_torch
from prunetool.checkpoints.torch_files.zip_records import ArchiveError, read_records
from prunetool.errors import CheckpointError


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "a.ckpt"
    torch.save({"w": torch.arange(6.0), "b": torch.ones(2)}, path)
    return path


def test_records_lie_where_torch_finds_them(saved):
    records = read_records(ByteSource(saved), 0, saved.stat().st_size)

    reader = torch._C.PyTorchFileReader(str(saved))
    names = [name.partition("/")[2] for name in records]
    assert sorted(names) == sorted(reader.get_all_records())
    for name, record in records.items():
        short = name.partition("/")[2]
        assert record.start == reader.get_record_offset(short)
        assert record.size == len(reader.get_record(short))


def test_an_archive_in_the_middle_of_a_file(saved, tmp_path):
    content = saved.read_bytes()
    (tmp_path / "b").write_bytes(content + content + content)

    found = read_records(ByteSource(tmp_path / "b"), len(content), len(content))

    alone = read_records(ByteSource(saved), 0, len(content))
    assert {name: it.start - len(content) for name, it in found.items()} == {
        name: it.start for name, it in alone.items()
    }


def test_an_archive_of_python_with_wide_fields(tmp_path):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive, archive.open("a/x", "w", force_zip64=True) as file:
        file.write(b"abc")

    record = read_records(ByteSource(path), 0, path.stat().st_size)["a/x"]

    assert path.read_bytes()[record.start : record.start + record.size] == b"abc"


def python_zip(path, entries, compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in entries:
            archive.writestr(name, content)
    return bytearray(path.read_bytes())


ENTRIES = [("a/data.pkl", b"\x80\x02}."), ("a/data/0", b"1234")]


def overlapping(content):
    """Let the second entry of the table say that it is the first."""
    first = content.index(b"PK\x01\x02")
    second = content.index(b"PK\x01\x02", first + 4)
    content[second + 42 : second + 46] = content[first + 42 : first + 46]


def larger(content):
    first = content.index(b"PK\x01\x02")
    content[first + 20 : first + 28] = struct.pack("<2L", 10**9, 10**9)


def elsewhere(content):
    first = content.index(b"PK\x01\x02")
    content[first + 42 : first + 46] = struct.pack("<L", 10**9)


def other_name(content):
    at = content.index(b"a/data.pkl")
    content[at : at + 10] = b"a/data.xyz"


def encrypted(content):
    first = content.index(b"PK\x01\x02")
    content[first + 8] |= 1


def more_entries(content):
    end = content.rindex(b"PK\x05\x06")
    content[end + 8 : end + 12] = struct.pack("<2H", 9, 9)


def moved(content):
    end = content.rindex(b"PK\x05\x06")
    content[end + 16 : end + 20] = struct.pack("<L", 3)


def cut(content):
    del content[-10:]


@pytest.mark.parametrize(
    ("forge", "message"),
    [
        (overlapping, "header says something else|overlap"),
        (larger, "outside of its archive"),
        (elsewhere, "outside of its archive"),
        (other_name, "header says something else"),
        (encrypted, "encrypted"),
        (more_entries, "table of contents"),
        (moved, "table of contents"),
        (cut, "end of its zip archive is missing"),
    ],
)
def test_a_forged_archive(forge, message, tmp_path):
    content = python_zip(tmp_path / "a.ckpt", ENTRIES)
    forge(content)
    (tmp_path / "a.ckpt").write_bytes(content)

    with pytest.raises(ArchiveError, match=message):
        read_records(ByteSource(tmp_path / "a.ckpt"), 0, len(content))


def test_a_name_twice(tmp_path):
    with pytest.warns(UserWarning, match="Duplicate"):
        content = python_zip(tmp_path / "a.ckpt", [ENTRIES[0], ENTRIES[0]])

    with pytest.raises(ArchiveError, match=r"two records of the name 'a/data.pkl'"):
        read_records(ByteSource(tmp_path / "a.ckpt"), 0, len(content))


def test_what_could_grow_when_it_is_read(tmp_path):
    python_zip(tmp_path / "a.ckpt", [("a/data.pkl", bytes(10**7))], zipfile.ZIP_DEFLATED)

    with pytest.raises(CheckpointError, match=r"record 'a/data.pkl' is compressed"):
        read_torch(tmp_path / "a.ckpt")


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ([("a/b", b"")], "no data.pkl"),
        ([("a/data.pkl", b""), ("b/data.pkl", b"")], "2 data.pkl"),
        ([*ENTRIES, ("a/constants.pkl", b"")], "TorchScript"),
        ([*ENTRIES, ("a/byteorder", b"big")], "byte order"),
    ],
)
def test_an_archive_of_something_else(entries, message, tmp_path):
    python_zip(tmp_path / "a.ckpt", entries)

    with pytest.raises(CheckpointError, match=message):
        read_torch(tmp_path / "a.ckpt")


def test_a_file_that_is_cut_anywhere(saved, tmp_path):
    content = saved.read_bytes()
    for size in range(2, len(content), 97):
        (tmp_path / "cut.ckpt").write_bytes(content[:size])
        with pytest.raises(CheckpointError, match=r"cut.ckpt: "):
            read_torch(tmp_path / "cut.ckpt")


def test_the_reader_says_what_it_was_asked_for(tmp_path):
    (tmp_path / "a").write_bytes(b"0123456789")
    source = ByteSource(tmp_path / "a")

    assert source.read(2, 3) == b"234"
    assert source.read_tensor(1, 4, torch.uint8).tolist() == list(b"1234")
    with pytest.raises(CheckpointError, match=r"a: cut off: expected at least 12 bytes, found 10"):
        source.read(8, 4)
    (tmp_path / "b").write_bytes(io.BytesIO().getvalue())
    assert ByteSource(tmp_path / "b").size == 0


def test_a_file_that_is_replaced_or_cut_while_it_is_read(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"old bytes")
    source = ByteSource(path)
    (tmp_path / "b").write_bytes(b"new bytes")
    (tmp_path / "b").rename(path)

    assert source.read(0, 3) == b"old"

    source = ByteSource(path)
    with path.open("r+b") as file:
        file.truncate(4)
    with pytest.raises(CheckpointError, match="became shorter"):
        source.read(2, 5)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(CheckpointError, match=r"none: cannot be read: No such file"):
        ByteSource(tmp_path / "none")
