from __future__ import annotations

import io
import json
import zipfile

import pytest
import saved
import torch

from prunetool.checkpoints.reader import open_checkpoint
from prunetool.errors import CheckpointError

ONE = {"w": torch.ones(1)}


def torch_bytes(content, **options):
    buffer = io.BytesIO()
    torch.save(content, buffer, **options)
    return buffer.getvalue()


def zip_bytes(*names):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in names:
            archive.writestr(name, b"x")
    return buffer.getvalue()


def recompressed(content, method):
    """A torch file whose records are compressed in a way that torch cannot read."""
    source, buffer = zipfile.ZipFile(io.BytesIO(content)), io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name in source.namelist():
            archive.writestr(name, source.read(name))
    return buffer.getvalue()


def script_bytes():
    buffer = io.BytesIO()
    writer = torch._C.PyTorchFileWriter(buffer)
    for name in ("constants.pkl", "data.pkl"):
        writer.write_record(name, b"x", 1)
    writer.write_end_of_file()
    return buffer.getvalue()


SAFETENSORS = json.dumps({"w": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}}).encode()

BAD_FILES = {
    "empty": (b"", "an empty file; download or copy it again"),
    "html": (b"\n<!DOCTYPE html><html>404</html>", "an HTML page; download"),
    "text": (b"version https://git-lfs.github.com/spec/v1\n", "a text file; download"),
    "safetensors": (len(SAFETENSORS).to_bytes(8, "little") + SAFETENSORS, "a safetensors file"),
    "legacy": (torch_bytes(ONE, _use_new_zipfile_serialization=False), "torch before 1.6"),
    "binary": (b"\x89HDF\r\n\x1a\n" + bytes(99), "of an unknown format"),
    "truncated": (torch_bytes({"w": torch.ones(999)})[:-500], "cut off or damaged: .* bytes found"),
    "names": (torch_bytes(ONE).replace(b"byteorder", b"byteorde\xd3"), "cut off or damaged"),
    "bzip2": (recompressed(torch_bytes(ONE), zipfile.ZIP_BZIP2), "damaged"),
    "other zip": (zip_bytes("word/document.xml"), "cut off or damaged|without data.pkl"),
    "torchscript": (script_bytes(), "a TorchScript program"),
    "no dict": (torch_bytes(torch.ones(2)), "no tensors inside: .* found a Tensor"),
    "no tensors": (torch_bytes({"epoch": 1, "lr": 2}), "a dict with the keys epoch, lr"),
    "empty dict": (torch_bytes({}), "found an empty dict"),
    "nested deeper": (torch_bytes({"model": ONE}), "a dict with the keys model"),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_another_kind_of_file_is_said_to_be_so(name, tmp_path):
    content, message = BAD_FILES[name]
    path = tmp_path / "a.ckpt"
    path.write_bytes(content)

    with pytest.raises(CheckpointError, match=message) as caught:
        open_checkpoint(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_a_missing_file_names_its_neighbours(tmp_path):
    saved.save_lightning(tmp_path / "last.ckpt", ONE)

    with pytest.raises(CheckpointError, match=r"lost.ckpt: no such file .* mean .*last.ckpt\?"):
        open_checkpoint(tmp_path / "lost.ckpt")


def test_a_path_that_cannot_be(tmp_path):
    with pytest.raises(CheckpointError, match="cannot be read: File name too long"):
        open_checkpoint(tmp_path / ("a" * 300))


def test_a_run_folder_means_its_last_checkpoint(tmp_path):
    (tmp_path / "run" / "checkpoints").mkdir(parents=True)
    path = saved.save_lightning(tmp_path / "run" / "checkpoints" / "last.ckpt", ONE)

    assert open_checkpoint(tmp_path / "run").path == path


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ((), r"a folder without checkpoints/last.ckpt; .*; check the path"),
        (("a.ckpt",), r"a folder without checkpoints/last.ckpt; .* mean .*a.ckpt\?"),
        ((".metadata", "__0_0.distcp"), r"\.metadata: damaged"),
        (("checkpoints/last.ckpt/meta.pt",), r"last.ckpt: a sharded checkpoint without its index"),
    ],
)
def test_a_folder_without_a_checkpoint(files, message, tmp_path):
    for name in files:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()

    with pytest.raises(CheckpointError, match=message):
        open_checkpoint(tmp_path)


def test_tensors_of_a_lightning_checkpoint(tmp_path):
    checkpoint = open_checkpoint(saved.save_masked(tmp_path / "a.ckpt"))

    assert checkpoint.format == "lightning"
    assert checkpoint.masks == "prunetool"
    assert checkpoint.content["epoch"] == 3
    assert {name: tuple(it.shape) for name, it in checkpoint.tensors.items()} == {
        "fc.weight": (2, 3),
        "fc.bias": (2,),
        "norm.running_mean": (2,),
        "head.weight": (2, 3),
        "blocks[0].weight": (2, 2),
    }
    assert torch.equal(checkpoint.tensors["fc.weight"].read(), saved.FOLDED_WEIGHT)
    assert torch.equal(checkpoint.tensors["head.weight"].read(), saved.FOLDED_WEIGHT)
    assert torch.equal(checkpoint.tensors["blocks[0].weight"].read(), torch.ones(2, 2))


def test_a_plain_state_dict(tmp_path):
    path = tmp_path / "a.pt"
    torch.save({"w": torch.ones(2, dtype=torch.bfloat16), "_extra_state": None}, path)

    checkpoint = open_checkpoint(path)

    assert (checkpoint.format, checkpoint.masks, list(checkpoint.tensors)) == (
        "state_dict",
        None,
        ["w"],
    )
    assert checkpoint.tensors["w"].dtype == torch.bfloat16


def test_parameters_are_those_recorded(tmp_path):
    checkpoint = open_checkpoint(saved.save_masked(tmp_path / "a.ckpt"))

    assert [name for name in checkpoint.tensors if checkpoint.is_parameter(name)] == [
        "fc.weight",
        "fc.bias",
        "head.weight",
        "blocks[0].weight",
    ]


def test_parameters_without_a_record(tmp_path):
    norm = torch.nn.BatchNorm1d(2).state_dict(prefix="norm.")
    weights = {"fc.weight": torch.ones(1), **norm}
    weights |= {"steps": torch.ones(1).int(), "on": torch.ones(1).bool()}
    checkpoint = open_checkpoint(saved.save_lightning(tmp_path / "a.ckpt", weights))

    assert [name for name in checkpoint.tensors if checkpoint.is_parameter(name)] == [
        "fc.weight",
        "norm.weight",
        "norm.bias",
    ]


def test_a_record_of_keys_in_torchs_layout(tmp_path):
    weights = {"w_orig": torch.ones(2), "w_mask": torch.tensor([1.0, 0.0]), "b": torch.ones(1)}
    path = saved.save_lightning(
        tmp_path / "a.ckpt", weights, prunetool={"schema": 1, "parameters": ["w_orig"]}
    )
    checkpoint = open_checkpoint(path)

    assert {name: checkpoint.is_parameter(name) for name in checkpoint.tensors} == {
        "w": True,
        "b": False,
    }


def test_tensors_are_mapped_and_not_read_when_a_file_is_opened(tmp_path):
    path = saved.save_lightning(tmp_path / "a.ckpt", {"w": torch.ones(1000)})
    checkpoint = open_checkpoint(path)
    content = path.read_bytes()
    start = content.index(torch.ones(1000).numpy().tobytes())
    with path.open("r+b") as file:
        file.seek(start)
        file.write(bytes(4))

    assert checkpoint.tensors["w"].read()[:2].tolist() == [0.0, 1.0]
