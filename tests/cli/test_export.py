from __future__ import annotations

import os

import pytest
import saved
import torch
from commandline import invoke
from safetensors.torch import load_file
from torch.nn.utils import prune

from prunetool import load_sparse


@pytest.fixture
def prunetool(monkeypatch, capsys):
    return lambda *arguments: invoke(monkeypatch, capsys, *arguments)


@pytest.fixture
def path(tmp_path):
    return saved.save_masked(tmp_path / "a.ckpt")


def test_bytes_before_and_after_are_printed(prunetool, path, tmp_path):
    result = prunetool("export", path)

    before = path.stat().st_size
    after = (tmp_path / "a.safetensors").stat().st_size
    assert (result.code, result.err) == (0, "")
    assert result.out.splitlines() == [
        f"wrote {tmp_path / 'a.safetensors'} ({after} bytes)",
        f"before {before} bytes ({path}, 56 bytes of weights) after {after} bytes in 4 tensors",
    ]


def test_every_option(prunetool, path, tmp_path):
    options = ["--dtype", "float16", "--strip-prefix", "fc.", "--include", "fc.*"]
    options += ["--exclude", "*.bias", "--format", "dense", "--max-shard-size", "1MB", "--quiet"]

    result = prunetool("export", path, "-o", tmp_path / "m.safetensors", *options)

    assert (result.code, result.out) == (0, f"{tmp_path / 'm.safetensors'}\n")
    found = load_file(tmp_path / "m.safetensors")
    assert list(found) == ["weight"]
    assert torch.equal(found["weight"], saved.FOLDED_WEIGHT.half())


def test_shards(prunetool, path, tmp_path):
    result = prunetool("export", path, "--max-shard-size", "24", "--quiet")

    assert [line.rpartition("/")[2] for line in result.out.splitlines()] == [
        "a-00001-of-00003.safetensors",
        "a-00002-of-00003.safetensors",
        "a-00003-of-00003.safetensors",
        "a.safetensors.index.json",
    ]


def test_sparse_there_and_back(prunetool, tmp_path):
    weight = torch.zeros(100, 100)
    weight[:10] = -1.5
    path = saved.save_lightning(tmp_path / "a.ckpt", {"w": weight, "tied": weight})

    result = prunetool("export", path, "--format", "sparse")

    sparse = tmp_path / "a.sparse.safetensors"
    after = sparse.stat().st_size
    assert (result.code, result.err) == (0, "")
    assert result.out.splitlines() == [
        f"wrote {sparse} ({after} bytes)",
        f"before {path.stat().st_size} bytes ({path}, 40000 bytes of weights) "
        f"after {after} bytes in 1 tensors",
        # log2 of 100 over 10 is 43.98 bits
        f"dense 40000 bytes, sparse {after} bytes ({after / 40000:.2%}), "
        "information-theoretic limit 4006 bytes (10.02%)",
    ]
    assert after < 5000
    assert prunetool("export", sparse, "--format", "dense", "--untie", "--quiet").code == 0
    found = load_file(tmp_path / "a.dense.safetensors")
    assert torch.equal(found["w"], weight)
    assert torch.equal(found["tied"], weight)


def test_the_output_of_a_folder_is_beside_it(prunetool, tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    saved.save_masked(tmp_path / "a.ckpt")
    assert prunetool("export", tmp_path / "a.ckpt", "-o", folder / "model.safetensors").code == 0

    assert prunetool("export", folder, "--quiet").out == f"{tmp_path / 'model.safetensors'}\n"
    refused = prunetool("export", folder, "-o", folder / "b.safetensors")
    assert (refused.code, "would lie in the input folder" in refused.err) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["a.ckpt", "--format", "dens"], "Invalid value for '--format'"),
        (["a.ckpt", "--dtype", "int8"], "Invalid value for '--dtype'"),
        (["a.ckpt", "--include", "fc.weigth"], "did you mean 'fc.weight'"),
        (["a.ckpt", "--strip-prefix", "net."], "--strip-prefix net.: no tensor begins with it"),
        (["a.ckpt", "--max-shard-size", "big"], "--max-shard-size big: expected a size such as"),
        (["a.ckpt", "-o", "old.safetensors"], "old.safetensors: exists already; pass --force"),
        (["a.ckpt", "-o", "a.ckpt", "--force"], "a.ckpt: the output would replace the input"),
        (["none.ckpt"], "none.ckpt: no such file or folder; did you mean a.ckpt"),
    ],
)
def test_bad_usage(arguments, message, prunetool, path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "old.safetensors").write_bytes(b"old")
    before = {it.name: it.read_bytes() for it in tmp_path.iterdir()}

    result = prunetool("export", *arguments)

    assert (result.code, result.out) == (2, "")
    assert result.err.startswith("error: ")
    assert message in result.err
    assert result.err.count("\n") == 1
    assert {it.name: it.read_bytes() for it in tmp_path.iterdir()} == before


def test_negative_zeros_are_named_and_can_be_dropped(prunetool, tmp_path):
    layer = torch.nn.Linear(64, 64)
    prune.l1_unstructured(layer, "weight", 0.9)
    prune.remove(layer, "weight")
    torch.save(layer.state_dict(), tmp_path / "a.pt")
    negative = int(((layer.weight == 0) & layer.weight.signbit()).sum())
    assert negative > 1000

    exact = prunetool("export", str(tmp_path / "a.pt"), "--format", "sparse")
    small = prunetool(
        "export",
        str(tmp_path / "a.pt"),
        "--format",
        "sparse",
        "--positive-zeros",
        "-o",
        str(tmp_path / "small.safetensors"),
    )

    assert f"{negative} zeros are -0.0 and stored as values" in exact.err
    assert "-0.0" not in small.err
    sizes = [(tmp_path / it).stat().st_size for it in ("a.sparse.safetensors", "small.safetensors")]
    assert sizes[1] < sizes[0] / 2
    found = load_sparse(tmp_path / "small.safetensors")["weight"]
    assert torch.equal(found, layer.weight.detach())
    assert not found.signbit()[found == 0].any()


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("/dev/null")])
def test_a_device_or_pipe_is_not_replaced(make, prunetool, tmp_path):
    torch.save({"w": torch.ones(2)}, tmp_path / "a.pt")
    make(tmp_path / "out")

    done = prunetool("export", str(tmp_path / "a.pt"), "-o", str(tmp_path / "out"), "--force")

    assert done.code == 2
    assert "expected the name of a file to write, found a device or pipe" in done.err


def test_weights_that_are_no_tensors_are_named(prunetool, tmp_path):
    torch.save({"w": torch.ones(2), "m": torch.ones(2, device="meta")}, tmp_path / "a.pt")

    done = prunetool("export", str(tmp_path / "a.pt"))

    assert done.code == 0
    assert "a.pt: left out 1 that are no plain tensors: m; --trust" in done.err
