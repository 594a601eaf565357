from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
import saved
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from prunetool.checkpoints.export import Selection, export
from prunetool.checkpoints.reader import open_checkpoint
from prunetool.errors import CheckpointError, OptionError, OutputError


def metadata(path):
    with safe_open(path, framework="pt") as file:
        return file.metadata()


@pytest.fixture
def checkpoint(tmp_path):
    return open_checkpoint(saved.save_masked(tmp_path / "a.ckpt"))


def made(path, **weights):
    return open_checkpoint(saved.save_lightning(path / "a.ckpt", weights))


def same(found, expected):
    assert list(found) == list(expected)
    for name, tensor in expected.items():
        assert found[name].dtype == tensor.dtype
        assert torch.equal(found[name], tensor), name


def test_masks_are_applied_and_tied_tensors_written_once(checkpoint, tmp_path):
    done = export(checkpoint)

    target = tmp_path / "a.safetensors"
    same(
        dict(sorted(load_file(target).items())),
        {
            "blocks[0].weight": torch.ones(2, 2),
            "fc.bias": torch.tensor([0.0, 1.0]),
            "fc.weight": saved.FOLDED_WEIGHT,
            "norm.running_mean": torch.zeros(2),
        },
    )
    assert metadata(target) == {"format": "pt", "head.weight": "fc.weight"}
    assert done.paths == (target,)
    assert (done.tensors, done.weight_bytes) == (4, 4 * (6 + 2 + 2 + 4))
    assert done.input_bytes == (tmp_path / "a.ckpt").stat().st_size
    assert done.output_bytes == target.stat().st_size


EVERY_DTYPE = [
    torch.float64,
    torch.float32,
    torch.float16,
    torch.bfloat16,
    torch.float8_e4m3fn,
    torch.int64,
    torch.int8,
    torch.uint8,
    torch.bool,
    torch.complex64,
]


def test_every_dtype_shape_and_memory_layout(tmp_path):
    weights = {str(dtype): torch.tensor([0, 1, 1]).to(dtype) for dtype in EVERY_DTYPE}
    weights |= {
        "scalar": torch.tensor(2.5),
        "empty": torch.empty(0, 3),
        "transposed": torch.arange(6.0).reshape(2, 3).t(),
        "channels last": torch.rand(2, 3, 4, 5).to(memory_format=torch.channels_last),
        "part": torch.arange(9.0)[3:6],
    }

    export(made(tmp_path, **weights))

    found = load_file(tmp_path / "a.safetensors")
    assert found.keys() == weights.keys()
    for name, tensor in weights.items():
        assert found[name].dtype == tensor.dtype
        assert found[name].shape == tensor.shape
        assert found[name].tolist() == tensor.tolist(), name


def test_same_input_same_bytes_in_every_process(checkpoint, tmp_path):
    export(checkpoint, tmp_path / "here.safetensors")
    code = """
import sys
from pathlib import Path
from prunetool.checkpoints.export import export
from prunetool.checkpoints.reader import open_checkpoint
export(open_checkpoint(Path(sys.argv[1])), Path(sys.argv[2]))
"""
    for number in (1, 2):
        target = tmp_path / f"{number}.safetensors"
        subprocess.run(
            [sys.executable, "-c", code, str(checkpoint.path), str(target)],
            check=True,
            env={**os.environ, "PYTHONHASHSEED": str(number)},
        )
        assert target.read_bytes() == (tmp_path / "here.safetensors").read_bytes()


def test_permissions_follow_the_umask(checkpoint, tmp_path):
    before = os.umask(0o022)
    try:
        export(checkpoint)
    finally:
        os.umask(before)

    assert (tmp_path / "a.safetensors").stat().st_mode & 0o777 == 0o644


def test_conversion_is_for_floating_tensors(tmp_path):
    checkpoint = made(
        tmp_path, w=torch.tensor([0.1, 2.0]), n=torch.tensor([3]), on=torch.tensor([True])
    )

    export(checkpoint, selection=Selection(dtype=torch.bfloat16))

    same(
        load_file(tmp_path / "a.safetensors"),
        {
            "n": torch.tensor([3]),
            "w": torch.tensor([0.1, 2.0]).bfloat16(),
            "on": torch.tensor([True]),
        },
    )


def test_names_are_chosen_before_a_prefix_is_taken_off(tmp_path):
    weights = {"model.fc.weight": torch.ones(1), "model.fc.bias": torch.ones(2)}
    checkpoint = made(tmp_path, **weights, loss_scale=torch.ones(3))

    export(checkpoint, selection=Selection(exclude=["model.*.bias"], strip_prefix="model."))

    assert set(load_file(tmp_path / "a.safetensors")) == {"fc.weight", "loss_scale"}


def test_a_tied_tensor_keeps_the_name_that_was_chosen(checkpoint, tmp_path):
    export(checkpoint, selection=Selection(include=["head.*"]))

    same(load_file(tmp_path / "a.safetensors"), {"head.weight": saved.FOLDED_WEIGHT})
    assert metadata(tmp_path / "a.safetensors") == {"format": "pt"}


@pytest.mark.parametrize(
    ("weights", "selection", "error", "message"),
    [
        ({}, Selection(include=["fc.wieght"]), OptionError, "--include fc.wieght: .* 'fc.weight'"),
        ({}, Selection(strip_prefix="net."), OptionError, "--strip-prefix net.: no tensor begins"),
        (
            {},
            Selection(strip_prefix="fc.weight"),
            OptionError,
            "'fc.weight' is left without a name",
        ),
        (
            {"weight": torch.ones(1)},
            Selection(strip_prefix="fc."),
            OptionError,
            "'weight' and 'fc.weight' become 'weight'",
        ),
        (
            {"big": torch.tensor([1e6])},
            Selection(dtype=torch.float16),
            OptionError,
            r"--dtype float16: big has values up to 1e\+06, .* try bfloat16",
        ),
        (
            {"c": torch.ones(1, dtype=torch.complex128)},
            Selection(),
            CheckpointError,
            "c: safetensors has no complex128; leave it out with --exclude 'c'",
        ),
    ],
)
def test_what_cannot_be_exported(weights, selection, error, message, tmp_path):
    checkpoint = made(tmp_path, **{"fc.weight": torch.ones(2)}, **weights)

    with pytest.raises(error, match=message):
        export(checkpoint, selection=selection)
    assert [path.name for path in tmp_path.iterdir()] == ["a.ckpt"]


SHARDED = {f"{letter}.weight": torch.full((25,), float(i)) for i, letter in enumerate("abcde")}


def test_shards_and_their_index(tmp_path):
    done = export(made(tmp_path, **SHARDED), tmp_path / "m.safetensors", largest_shard=200)

    names = ["m-00001-of-00003", "m-00002-of-00003", "m-00003-of-00003"]
    files = [f"{name}.safetensors" for name in names]
    assert [path.name for path in done.paths] == [*files, "m.safetensors.index.json"]
    assert [sorted(load_file(tmp_path / it)) for it in files] == [
        ["a.weight", "b.weight"],
        ["c.weight", "d.weight"],
        ["e.weight"],
    ]
    assert json.loads((tmp_path / "m.safetensors.index.json").read_text()) == {
        "metadata": {"total_size": 500},
        "weight_map": {
            "a.weight": files[0],
            "b.weight": files[0],
            "c.weight": files[1],
            "d.weight": files[1],
            "e.weight": files[2],
        },
    }
    assert done.output_bytes == sum(path.stat().st_size for path in done.paths)
    found = {name: tensor for it in files for name, tensor in load_file(tmp_path / it).items()}
    same(found, SHARDED)


def test_shards_take_the_place_of_an_older_file_only_when_told(tmp_path):
    checkpoint = made(tmp_path, **SHARDED)
    export(checkpoint)
    target = tmp_path / "a.safetensors"

    with pytest.raises(OutputError, match=r"a.safetensors: exists already"):
        export(checkpoint, largest_shard=200)
    assert len(list(tmp_path.iterdir())) == 2

    export(checkpoint, largest_shard=200, force=True)
    assert not target.exists()


def test_the_input_is_never_replaced(checkpoint):
    before = checkpoint.path.read_bytes()

    with pytest.raises(OutputError, match="would replace the input"):
        export(checkpoint, checkpoint.path, force=True)
    assert checkpoint.path.read_bytes() == before
