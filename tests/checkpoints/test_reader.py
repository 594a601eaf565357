from __future__ import annotations

import io
import pathlib
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


BAD_FILES = {
    "truncated": (torch_bytes({"w": torch.ones(999)})[:-500], "cut off or damaged: .* bytes found"),
    "bzip2": (recompressed(torch_bytes(ONE), zipfile.ZIP_BZIP2), "is compressed, which torch.save"),
    "other zip": (zip_bytes("word/document.txt"), "found a zip archive with no data.pkl"),
    "torchscript": (script_bytes(), "a TorchScript program"),
    "no dict": (torch_bytes(torch.ones(2)), "no tensors inside: .* found a tensor without a name"),
    "no tensors": (torch_bytes({"epoch": 1, "lr": 2}), "a dict with the keys epoch, lr"),
    "empty dict": (torch_bytes({}), "found an empty dict"),
    "nested deeper": (torch_bytes({"a": {"b": ONE}}), "a dict with the keys a"),
    "other names": (torch_bytes({"mine": ONE}), "found weights below mine; save one of them"),
    "hostile keys": (torch_bytes({"\x1b[2J": 1, 3: 2}), r"with the keys '.x1b\[2J', 3"),
    "no names": (torch_bytes({0: torch.ones(1)}), "a dict with the keys 0"),
    "a list": (torch_bytes([torch.ones(1)]), "found a list"),
    "a module": (torch_bytes(torch.nn.Linear(1, 1)), "('torch.nn.modules.linear.Linear')"),
    "module below": (torch_bytes({"model": torch.nn.Linear(1, 1)}), "save its state_dict.., or"),
    "hostile name": (torch_bytes({"a\nb": torch.ones(1)}), r"printable characters, found 'a.nb'"),
    "surrogate": (torch_bytes({"a\udc80": torch.ones(1)}), r"found 'a.udc80' of 2 characters"),
    "long name": (torch_bytes({"a" * 5000: torch.ones(1)}), "'aaaaa.* of 5000 characters; do not"),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_another_kind_of_file_is_said_to_be_so(name, tmp_path):
    content, message = BAD_FILES[name]
    path = tmp_path / "a.ckpt"
    path.write_bytes(content)

    with pytest.raises(CheckpointError, match=message) as caught:
        open_checkpoint(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert str(caught.value).isprintable()


def test_a_missing_file_names_its_neighbours(tmp_path):
    saved.save_lightning(tmp_path / "last.ckpt", ONE)

    with pytest.raises(CheckpointError, match=r"lost.ckpt: no such file .* mean .*last.ckpt\?"):
        open_checkpoint(tmp_path / "lost.ckpt")


def test_of_many_neighbours_the_most_alike_is_named(tmp_path):
    for name in ("a.ckpt", "b.pt", "c.bin", "d.safetensors", "model.safetensors"):
        (tmp_path / name).touch()

    with pytest.raises(CheckpointError, match=r"did you mean [^ ]*/model.safetensors or"):
        open_checkpoint(tmp_path / "modle.safetensors")


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


WRAPPED = {
    "state_dict": {"epoch": 1, "state_dict": ONE},
    "model": {"model": ONE, "optimizer": {"state": {}}},
    "model_state_dict": {"epoch": 1, "model_state_dict": ONE},
    "module": {"module": ONE, "step": torch.tensor(3)},
    "net": {"net": ONE},
    "an averaged copy beside": {"model_ema": {"w": torch.zeros(1)}, "model": ONE},
    "only an averaged copy": {"ema": ONE},
    "two levels": {"model": {"state_dict": ONE, "args": {}}},
    "state_dict without tensors": {"state_dict": {}, "model": ONE},
    "other things among the tensors": {
        **ONE,
        "nested": {"a": {"b": [1]}},
        "tensors": [torch.ones(1)],
        "opaque": pathlib.PurePosixPath("a"),
        3: torch.ones(1),
        ("a", 1): None,
    },
}


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("name", WRAPPED)
def test_where_training_scripts_keep_the_weights(name, legacy, tmp_path):
    path = tmp_path / "a.bin"
    torch.save(WRAPPED[name], path, _use_new_zipfile_serialization=not legacy)

    checkpoint = open_checkpoint(path)

    assert (checkpoint.format, list(checkpoint.tensors)) == ("state_dict", ["w"])
    assert checkpoint.tensors["w"].read().tolist() == [1.0]
    assert checkpoint.is_parameter("w")


@pytest.mark.parametrize("wrapped", [False, True])
def test_a_whole_module_with_trust(wrapped, tmp_path):
    module = torch.nn.Linear(2, 1)
    torch.save({"model": module} if wrapped else module, tmp_path / "a.pt")

    checkpoint = open_checkpoint(tmp_path / "a.pt", trust=True)

    assert list(checkpoint.tensors) == ["weight", "bias"]
    assert torch.equal(checkpoint.tensors["weight"].read(), module.weight)


class Canary:
    def __reduce__(self):
        return pathlib.Path.touch, (pathlib.Path("canary"),)


@pytest.mark.parametrize("trust", [False, True])
def test_only_with_trust_anything_is_run(trust, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"state_dict": ONE, "hyper_parameters": {"a": Canary()}}, "a.ckpt")

    checkpoint = open_checkpoint(tmp_path / "a.ckpt", trust=trust)

    assert list(checkpoint.tensors) == ["w"]
    assert (tmp_path / "canary").exists() == trust


def test_a_mask_of_a_hostile_name(tmp_path):
    states = saved.mask_state(**{"a\x1b[2J": torch.ones(1)})
    path = saved.save_lightning(tmp_path / "a.ckpt", ONE, callbacks={"ModelPruning": states})

    with pytest.raises(CheckpointError, match=r"found 'a.x1b\[2J' of 5 characters"):
        open_checkpoint(path).tensors  # noqa: B018


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
