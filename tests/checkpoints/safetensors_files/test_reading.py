"""Against the safetensors library: what it writes is read alike, what it refuses is refused."""

from __future__ import annotations

import json

import pytest
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file, save_model

from prunetool.checkpoints.reader import open_checkpoint
from prunetool.checkpoints.safetensors_files.header import DTYPES
from prunetool.checkpoints.safetensors_files.reading import read_safetensors, with_tied
from prunetool.errors import CheckpointError


def write(path, header, values=b""):
    """A file with any header: JSON, or bytes as they are."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + values)
    return path


def entry(start=0, stop=8, *, dtype="F32", shape=(2,)):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": [start, stop]}


@pytest.mark.parametrize("name", DTYPES)
def test_every_dtype_reads_as_the_library_wrote_it(name, tmp_path):
    dtype = DTYPES[name]
    values = torch.arange(12 * dtype.itemsize, dtype=torch.uint8)
    values = values % 2 if dtype == torch.bool else values
    whole = values.view(dtype).reshape(3, 4)
    save_file({"w": whole}, tmp_path / "a.safetensors")

    found = read_safetensors(tmp_path / "a.safetensors").tensors["w"]

    assert (found.shape, found.dtype) == (torch.Size([3, 4]), dtype)
    assert found.read().reshape(-1).view(torch.uint8).equal(values)
    assert found.flat(3, 7).view(torch.uint8).equal(values[3 * dtype.itemsize : 7 * dtype.itemsize])


def test_names_shapes_and_metadata(tmp_path):
    tensors = {"b": torch.ones(2, 0), "a.é": torch.tensor(3.0), "c": torch.arange(5)}
    save_file(tensors, tmp_path / "a.safetensors", metadata={"format": "pt", "note": "é\n"})

    found = read_safetensors(tmp_path / "a.safetensors")

    assert found.metadata == {"format": "pt", "note": "é\n"}
    assert set(found.tensors) == set(tensors)
    assert all(found.tensors[name].read().equal(it) for name, it in tensors.items())


def test_a_file_without_tensors(tmp_path):
    save_file({}, tmp_path / "a.safetensors")

    with pytest.raises(CheckpointError, match="no tensors inside"):
        open_checkpoint(tmp_path / "a.safetensors")


def test_tied_weights_that_save_model_left_out(tmp_path):
    model = torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.Linear(3, 3))
    model[1].weight = model[0].weight
    save_model(model, tmp_path / "a.safetensors", metadata={"note": "nothing"})

    tensors = open_checkpoint(tmp_path / "a.safetensors").tensors

    assert set(tensors) == set(model.state_dict())
    assert tensors["0.weight"].identity == tensors["1.weight"].identity
    assert tensors["1.weight"].read().equal(model[0].weight)


def test_only_names_that_are_not_there_are_tied():
    one, two = object(), object()

    assert with_tied({"a": one, "b": two}, {"b": "a", "c": "a", "d": "lost", "e": "c"}) == {
        "a": one,
        "b": two,
        "c": one,
    }


def deep(count):
    return b'{"a":' + b"[" * count + b"]" * count + b"}"


# Whether the safetensors library refuses the file too; it takes some that are forged.
BAD = {
    "no header": (b"", b"", "no JSON"),
    "no json": (b"{'w': 1}", b"", "no JSON"),
    "no utf-8": (b'{"\xff": 1}', b"", "no JSON"),
    "not a number": (b'{"w": NaN}', b"", "no JSON"),
    "a list": (b"[1]     ", b"", "JSON that is no object"),
    "deep": (deep(100_000), b"", "nested too deep"),
    "many values": (b'{"a":[' + b"0," * 4_000_001 + b"0]}", b"", "more than 4000000 values"),
    "a long number": (b'{"w":' + b"9" * 9999 + b"}", b"", "no JSON"),
    "twice": (b'{"w":1,"v":2,"w":3}', b"", "the name 'w' twice"),
    "metadata of numbers": ({"__metadata__": {"a": 1}}, b"", "__metadata__ that is not text"),
    "metadata of another kind": ({"__metadata__": []}, b"", "__metadata__ that is not text"),
    "no fields": ({"w": {}}, b"", "'w' without dtype, shape and data_offsets"),
    "no object": ({"w": 3}, b"", "'w' without dtype"),
    "more fields": ({"w": entry() | {"x": 1}}, bytes(8), "'w' without dtype"),
    "unknown dtype": ({"w": entry(dtype="Q8")}, bytes(8), "'w' of 'Q8', a dtype that torch cannot"),
    "narrow dtype": ({"w": entry(0, 1, dtype="F4")}, bytes(1), "'w' of 'F4', a dtype that torch"),
    "dtype of another kind": ({"w": entry(dtype=[])}, bytes(8), "a dtype that torch cannot hold"),
    "negative": ({"w": entry(shape=(-1, -2))}, bytes(8), r"'w' of the shape '\[-1, -2\]'"),
    "a fraction": ({"w": entry(shape=(2.0,))}, bytes(8), r"of the shape '\[2.0\]'"),
    "true": ({"w": entry(shape=(True,))}, bytes(8), r"of the shape '\[True\]'"),
    "huge": ({"w": entry(shape=(10**400,))}, bytes(8), "'w' of the shape '.1000000"),
    "huge and empty": ({"w": entry(0, 0, shape=(2**40, 2**40, 0))}, b"", "'w' of the shape"),
    "many dimensions": ({"w": entry(0, 4, shape=[1] * 65)}, bytes(4), "'w' of the shape"),
    "text as a shape": ({"w": entry() | {"shape": "2"}}, bytes(8), "'w' of the shape '2'"),
    "offsets": ({"w": entry() | {"data_offsets": [0]}}, bytes(8), r"'w' at '\[0\]'"),
    "backwards": ({"w": entry(8, 0)}, bytes(8), r"'w' at '\[8, 0\]'"),
    "too large": ({"w": entry(0, 4)}, bytes(4), "takes 8 bytes, in 4 bytes"),
    "too small": ({"w": entry(0, 12)}, bytes(12), "takes 8 bytes, in 12 bytes"),
    "overlap": ({"v": entry(0, 8), "w": entry(4, 12)}, bytes(12), "'w' on another tensor"),
    "the same": ({"v": entry(0, 8), "w": entry(0, 8)}, bytes(8), "'w' on another tensor"),
    "hole": ({"v": entry(0, 8), "w": entry(12, 20)}, bytes(20), "'w' behind 4 bytes"),
    "hole in front": ({"w": entry(1, 9)}, bytes(9), "'w' behind 1 bytes"),
    "cut off": ({"w": entry()}, bytes(7), "8 bytes of values, and 7 in the file: it is cut off"),
    "more": ({"w": entry()}, bytes(9), "8 bytes of values, and 1 more that belong to nothing"),
    "a hostile name": ({"\x1b[31m\n": {}}, b"", r"'.x1b\[31m.n' without"),
}  # fmt: skip
TAKEN_BY_THE_LIBRARY = {"more fields", "twice", "huge and empty", "many dimensions"}


@pytest.mark.parametrize("name", BAD)
def test_a_header_that_is_not_right(name, tmp_path):
    header, values, message = BAD[name]
    path = write(tmp_path / "a.safetensors", header, values)

    with pytest.raises(CheckpointError, match=message) as caught:
        read_safetensors(path)
    assert str(caught.value).startswith(f"{path}: damaged: expected a safetensors file, found ")
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 500
    if name not in TAKEN_BY_THE_LIBRARY and name != "narrow dtype":
        with pytest.raises((SafetensorError, OverflowError)):
            safe_open(path, framework="pt")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "a header of 0 bytes in 0|no JSON|cut off"),
        (b"\x10\0\0\0", "a header of 16 bytes in 4: it is cut off"),
        ((99).to_bytes(8, "little") + b"{}", "a header of 99 bytes in 10: it is cut off"),
        ((2**63).to_bytes(8, "little") + b"{}", "a header of 9223372036854775808 bytes, more than"),
    ],
)
def test_a_length_that_is_not_right(content, message, tmp_path):
    (tmp_path / "a").write_bytes(content)

    with pytest.raises(CheckpointError, match=message):
        read_safetensors(tmp_path / "a")


def test_a_file_that_becomes_shorter_is_an_error_and_no_crash(tmp_path):
    path = tmp_path / "a.safetensors"
    save_file({"w": torch.ones(10_000)}, path)
    tensor = read_safetensors(path).tensors["w"]
    with path.open("r+b") as file:
        file.truncate(1000)

    with pytest.raises(CheckpointError, match="became shorter while it was read"):
        tensor.read()
