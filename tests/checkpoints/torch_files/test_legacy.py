"""The format before torch 1.6, as torch still writes and reads it."""

from __future__ import annotations

import collections
import io
import pickle

import pytest
import torch

from prunetool.checkpoints.torch_files.reading import read_torch
from prunetool.checkpoints.torch_files.writing import write_torch
from prunetool.errors import CheckpointError

BASE = torch.arange(12.0)
CONTENT = {
    "w": BASE.view(3, 4),
    "row": BASE[4:8],
    "transposed": BASE.view(3, 4).T,
    "half": torch.tensor([1.5, -0.0]).half(),
    "bfloat16": torch.tensor([1.5]).bfloat16(),
    "long": torch.tensor([2**40]),
    "bool": torch.tensor([True, False]),
    "empty": torch.empty(0, 3),
    "scalar": torch.tensor(2.5),
    "parameter": torch.nn.Parameter(torch.ones(2)),
    "other": {"lr": 0.1, "betas": (0.9, 0.999), "name": "x"},
    "ordered": collections.OrderedDict(b=1, a=2),
}


def save(content, path, protocol=2):
    torch.save(content, path, pickle_protocol=protocol, _use_new_zipfile_serialization=False)
    return path


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_everything_is_read_as_torch_reads_it(protocol, tmp_path):
    path = save(CONTENT, tmp_path / "a.pt", protocol)
    expected = torch.load(path, weights_only=False)

    content = read_torch(path).content

    assert list(content) == list(expected)
    for name, value in expected.items():
        if isinstance(value, torch.Tensor):
            assert torch.equal(content[name].read(), value.detach())
            assert content[name].dtype == value.dtype
        else:
            assert content[name] == value


def test_it_is_written_in_the_format_of_today(tmp_path):
    archive = read_torch(save(CONTENT, tmp_path / "a.pt"))

    with (tmp_path / "b.pt").open("wb") as file:
        write_torch(archive, file)

    again = torch.load(tmp_path / "b.pt", mmap=True)
    assert torch.equal(again["transposed"], CONTENT["transposed"])
    assert again["row"].data_ptr() == again["w"].data_ptr() + 16
    assert isinstance(again["parameter"], torch.nn.Parameter)


def test_a_module_of_torch_is_not_built(tmp_path):
    save(torch.nn.Linear(2, 2), tmp_path / "a.pt")

    content = read_torch(tmp_path / "a.pt").content

    assert type(content).__name__ == "Made"


@pytest.mark.parametrize("size", range(10, 3000, 173))
def test_a_file_that_is_cut_anywhere(size, tmp_path):
    content = save(CONTENT, tmp_path / "a.pt").read_bytes()
    (tmp_path / "cut.pt").write_bytes(content[: min(size, len(content) - 1)])

    with pytest.raises(CheckpointError, match=r"cut.pt: "):
        read_torch(tmp_path / "cut.pt")


def parts(path):
    """The four pickles in front, the object, the keys, and the rest."""
    file = io.BytesIO(path.read_bytes())
    ends = []

    class Reader(pickle._Unpickler):
        def persistent_load(self, pid):
            return None

        def find_class(self, module, name):
            return lambda *args: None

    for _ in range(5):
        Reader(file).load()
        ends.append(file.tell())
    return [path.read_bytes()[a:b] for a, b in zip([0, *ends], [*ends, None], strict=True)]


@pytest.mark.parametrize(
    ("index", "new", "message"),
    [
        (0, pickle.dumps(5, 2), "a pickle that torch.save did not write"),
        (1, pickle.dumps(1, 2), "a pickle that torch.save did not write"),
        (2, pickle.dumps({"little_endian": False}, 2), "byte order"),
        (4, pickle.dumps(["9"], 2), "values for other tensors"),
        (4, pickle.dumps([], 2), "values for other tensors"),
        (
            5,
            (10**12).to_bytes(8, "little") + b"1234",
            "values of another size than the 4 bytes wanted",
        ),
        (5, b"", "cut off"),
    ],
)
def test_what_is_wrong(index, new, message, tmp_path):
    found = parts(save({"w": torch.ones(1)}, tmp_path / "a.pt"))
    found[index] = new
    (tmp_path / "b.pt").write_bytes(b"".join(found))

    with pytest.raises(CheckpointError, match=message):
        read_torch(tmp_path / "b.pt")


def test_an_absurd_size_is_refused_before_anything_is_read(tmp_path):
    found = parts(save({"w": torch.ones(1)}, tmp_path / "a.pt"))
    # the number of elements behind the device, in the persistent id
    assert found[3].count(b"cpuq\x06K\x01") == 1
    found[3] = found[3].replace(
        b"cpuq\x06K\x01", b"cpuq\x06\x8a\x06" + (10**12).to_bytes(6, "little")
    )
    (tmp_path / "b.pt").write_bytes(b"".join(found))

    with pytest.raises(CheckpointError, match=r"4000000000000 bytes of values .* wanted, fewer"):
        read_torch(tmp_path / "b.pt")
