"""Blobs of torch.save in the middle of a file; `inert` files are read without running them."""

from __future__ import annotations

import io
import os
import pickle
import sys
import zipfile

import pytest
import torch

from prunetool.checkpoints.standins import Made
from prunetool.checkpoints.torch_blob import BlobError, read_blob

BASE = torch.arange(6.0)
TENSORS = {
    "matrix": torch.arange(6.0).reshape(2, 3),
    "transposed": torch.arange(6).reshape(2, 3).T,
    "scalar": torch.tensor(2.5),
    "empty": torch.empty(0, 3),
    "bool": torch.tensor([True, False]),
    "bfloat16": torch.tensor([1.5, -0.0]).bfloat16(),
    "float8": torch.tensor([1.5, -2.0]).to(torch.float8_e4m3fn),
    "uint16": torch.tensor([65535], dtype=torch.uint16),
    "complex": torch.tensor([1j]),
    "part of a storage": BASE[2:4],
}


def blob(content, **options):
    buffer = io.BytesIO()
    torch.save(content, buffer, **options)
    return buffer.getvalue()


def read(content, *, length=None):
    """Read what lies between other bytes, which look like an archive too."""
    other = blob({"other": torch.ones(3)})
    file = io.BytesIO(other + content + other)
    return read_blob(file, len(other), len(content) if length is None else length)


@pytest.mark.parametrize("name", TENSORS)
def test_a_tensor_is_read_as_torch_reads_it(name):
    content = blob(TENSORS[name])
    expected = torch.load(io.BytesIO(content))

    found = read(content)

    assert (type(found), found.dtype, found.shape) == (
        type(expected),
        expected.dtype,
        expected.shape,
    )
    assert found.contiguous().reshape(-1).view(torch.uint8).tolist() == (
        expected.contiguous().reshape(-1).view(torch.uint8).tolist()
    )


def test_tensors_that_share_memory_still_do():
    one, other = read(blob([BASE, BASE[1:]]))

    assert other.tolist() == [1, 2, 3, 4, 5]
    assert other.data_ptr() == one[1:].data_ptr()


@pytest.mark.parametrize("value", [0.1, None, (0.9, 0.999), ["a", "b"], {"k": [1, {"x": b"y"}]}])
def test_other_values(value):
    assert read(blob(value)) == value


class Attack:
    def __reduce__(self):
        return os.system, ("touch canary",)


def test_nothing_is_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    assert isinstance(read(blob(Attack())), Made)
    assert list(tmp_path.iterdir()) == []


def rewritten(change):
    """A blob with its records changed: name without prefix, content -> content or None."""
    source, target = zipfile.ZipFile(io.BytesIO(blob(torch.ones(4)))), io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name in source.namelist():
            content = change(name.partition("/")[2], source.read(name))
            if content is not None:
                archive.writestr(name, content)
    return target.getvalue()


def compressed():
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", bytes(10**6))
    return target.getvalue()


def larger_storage(name, content):
    return content.replace(b"K\x04", b"K\x40") if name == "data.pkl" else content


BAD = {
    "not a zip": (b"x" * 100, "BadZipFile"),
    "nothing": (b"", "BadZipFile"),
    "legacy": (blob(BASE, _use_new_zipfile_serialization=False), "BadZipFile"),
    "cut off": (blob(BASE)[:-30], "BadZipFile"),
    "bomb": (compressed(), "record data.pkl is compressed"),
    "no pickle": (rewritten(lambda name, it: None if name == "data.pkl" else it), "one data.pkl"),
    "no values": (rewritten(lambda name, it: None if name == "data/0" else it), "KeyError"),
    "short values": (
        rewritten(lambda name, it: it[:8] if name == "data/0" else it),
        "RuntimeError",
    ),
    "huge shape": (rewritten(larger_storage), "RuntimeError"),
    "cut pickle": (rewritten(lambda name, it: it[:40] if name == "data.pkl" else it), "error"),
    "byte order": (
        rewritten(lambda name, it: b"big" if name == "byteorder" else it),
        f"big-endian values on a {sys.byteorder}-endian machine",
    ),
    "persistent id": (
        rewritten(lambda name, it: it.replace(b"storage", b"statues")),
        "values of an unknown kind",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_blob(name):
    content, message = BAD[name]

    with pytest.raises(BlobError, match=message):
        read(content)


def test_a_record_outside_of_its_archive():
    """It is said to be where the next blob has one of its own."""
    content = blob(torch.ones(4))
    in_directory = b"archive/data.pkl"
    moved = content.replace(
        (0).to_bytes(4, "little") + in_directory,
        len(content).to_bytes(4, "little") + in_directory,
    )
    assert moved != content

    with pytest.raises(BlobError, match="a record lies outside of its archive"):
        read(moved)


def test_a_pickle_of_another_kind_of_object_is_not_built():
    content = rewritten(lambda name, it: pickle.dumps(zipfile.Path) if name == "data.pkl" else it)

    assert "not imported" in repr(read(content))
