"""Files as torch.save writes them: read by torch in every way it has, and always the same bytes."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import zipfile

import pytest
import torch
from torch import nn

from prunetool.checkpoints.lazy import MemoryTensor
from prunetool.checkpoints.torch_files.archive import Archive
from prunetool.checkpoints.torch_files.new_tensors import NewTensor
from prunetool.checkpoints.torch_files.reading import read_torch
from prunetool.checkpoints.torch_files.writing import write_torch

BASE = torch.arange(24.0)
CONTENT = {
    "state_dict": {"w": BASE.view(4, 6), "tied": BASE.view(4, 6), "row": BASE[6:12]},
    "transposed": BASE.view(4, 6).T,
    "float8": torch.tensor([1.5, -2.0]).to(torch.float8_e4m3fn),
    "storage": torch.arange(3, dtype=torch.uint8).untyped_storage(),
    "parameter": nn.Parameter(torch.ones(2), requires_grad=False),
    "needs a gradient": torch.ones(2, requires_grad=True),
    "empty": torch.empty(0, 3),
    "meta": torch.empty(2, 3, device="meta"),
    "epoch": 3,
}


def rewritten(content, folder):
    torch.save(content, folder / "a.pt")
    with (folder / "b.pt").open("wb") as file:
        write_torch(read_torch(folder / "a.pt"), file)
    return folder / "b.pt"


@pytest.mark.parametrize("mmap", [False, True])
@pytest.mark.parametrize("weights_only", [False, True])
def test_torch_reads_it(mmap, weights_only, tmp_path):
    content = {key: value for key, value in CONTENT.items() if key != "storage"}
    path = rewritten(content, tmp_path)

    again = torch.load(path, mmap=mmap, weights_only=weights_only)

    weights = again["state_dict"]
    assert torch.equal(weights["w"], BASE.view(4, 6))
    assert weights["w"].data_ptr() == weights["tied"].data_ptr() == again["transposed"].data_ptr()
    assert weights["row"].data_ptr() == weights["w"].data_ptr() + 24
    assert torch.equal(again["transposed"], BASE.view(4, 6).T)
    assert again["transposed"].stride() == (1, 6)
    assert again["float8"].float().tolist() == [1.5, -2.0]
    assert type(again["parameter"]) is nn.Parameter
    assert not again["parameter"].requires_grad
    assert again["needs a gradient"].requires_grad
    assert again["empty"].shape == (0, 3)
    assert again["meta"].is_meta
    assert again["epoch"] == 3


@pytest.mark.filterwarnings("ignore:TypedStorage is deprecated")
def test_storages_are_written_back(tmp_path):
    path = rewritten({"storage": CONTENT["storage"], "w": torch.ones(1)}, tmp_path)

    assert list(torch.load(path, weights_only=False)["storage"].untyped()) == [0, 1, 2]


def test_values_lie_where_they_can_be_mapped(tmp_path):
    path = rewritten(CONTENT, tmp_path)

    reader = torch._C.PyTorchFileReader(str(path))
    values = [name for name in reader.get_all_records() if name.startswith("data/")]
    assert len(values) == 6
    assert {reader.get_record_offset(name) % 64 for name in values} == {0}


def test_checksums_are_right(tmp_path):
    path = rewritten(CONTENT, tmp_path)

    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None


SCRIPT = """
import sys
from pathlib import Path
from prunetool.checkpoints.torch_files.reading import read_torch
from prunetool.checkpoints.torch_files.writing import write_torch
with open(sys.argv[2], "wb") as file:
    write_torch(read_torch(Path(sys.argv[1])), file)
"""


def test_same_content_same_bytes_in_every_process(tmp_path):
    path = rewritten(CONTENT, tmp_path)
    for seed in ("1", "2"):
        subprocess.run(
            [sys.executable, "-c", SCRIPT, str(tmp_path / "a.pt"), str(tmp_path / seed)],
            env={**os.environ, "PYTHONHASHSEED": seed},
            check=True,
        )

    assert (tmp_path / "1").read_bytes() == (tmp_path / "2").read_bytes() == path.read_bytes()


def written(content):
    file = io.BytesIO()
    write_torch(Archive(content, 2), file)
    file.seek(0)
    return torch.load(file, weights_only=False)


def new(values, like=None):
    return NewTensor(MemoryTensor(values), like)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.uint16, torch.float8_e5m2])
def test_new_values_of_any_dtype(dtype):
    values = torch.tensor([[1.0, 2.0, 3.0], [0.0, 5.0, 6.0]]).to(dtype)

    found = written({"it": new(values)})["it"]

    assert found.dtype == dtype
    assert torch.equal(found.float(), values.float())
    assert found.is_contiguous()


class Tagged(nn.Parameter):
    """A parameter with an attribute, found by name when it is unpickled."""


@pytest.mark.parametrize(
    "like",
    [
        torch.zeros(3),
        torch.zeros(3, requires_grad=True),
        nn.Parameter(torch.zeros(3)),
        nn.Parameter(torch.zeros(3), requires_grad=False),
        torch.zeros(6)[::2],
    ],
    ids=["tensor", "with a gradient", "parameter", "frozen parameter", "strided"],
)
def test_new_values_in_the_place_of_others(like, tmp_path):
    torch.save({"it": like}, tmp_path / "a.pt")
    old = read_torch(tmp_path / "a.pt").content["it"]

    found = written({"it": new(torch.ones(3), old)})["it"]

    assert (type(found), found.requires_grad) == (type(like), like.requires_grad)
    assert found.tolist() == [1, 1, 1]


def test_a_parameter_with_attributes_keeps_them(tmp_path):
    parameter = nn.Parameter(torch.zeros(2))
    parameter.tag = "x"
    tensor = torch.zeros(2)
    tensor.tag = "y"
    torch.save([parameter, tensor], tmp_path / "a.pt")
    old = read_torch(tmp_path / "a.pt").content

    one, other = written([new(torch.ones(2), it) for it in old])

    assert (type(one), one.tag, one.tolist()) == (nn.Parameter, "x", [1, 1])
    assert (type(other), other.tag, other.tolist()) == (torch.Tensor, "y", [1, 1])


def test_one_new_tensor_under_two_names_stays_one():
    tensor = new(torch.ones(2))

    again = written({"a": tensor, "b": tensor})

    assert again["a"] is again["b"]


def test_objects_that_were_built_are_pickled_with_their_tensors():
    layer = nn.Linear(2, 2)

    again = written({"layer": layer, "w": new(torch.ones(1)), "real": layer.weight})

    assert torch.equal(again["layer"].weight, layer.weight)
    assert again["real"].data_ptr() == again["layer"].weight.data_ptr()


def test_progress_is_told_in_bytes():
    told = []

    write_torch(
        Archive({"a": new(torch.ones(3, 2)), "b": torch.ones(5)}, 2),
        io.BytesIO(),
        advance=told.append,
    )

    assert sum(told) == 4 * (6 + 5)
