"""Folders of Hugging Face's layout, made with safetensors and torch; bad ones by hand."""

from __future__ import annotations

import json
import os
import socket

import pytest
import torch
from safetensors.torch import save_file

from prunetool.checkpoints.reader import open_checkpoint
from prunetool.errors import CheckpointError

WEIGHTS = {
    "a.weight": torch.arange(6.0).reshape(2, 3),
    "b.weight": torch.eye(2),
    "c.bias": torch.tensor([1.0, 0.0]),
}
NAMES = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]
PLACES = dict(zip(WEIGHTS, [NAMES[0], NAMES[1], NAMES[1]], strict=True))


def index(folder, places, stem="model.safetensors"):
    content = {"metadata": {"total_size": 48}, "weight_map": places}
    (folder / f"{stem}.index.json").write_text(json.dumps(content))


def sharded(folder, *, places=PLACES):
    """A folder with the three tensors in two files."""
    (folder / "config.json").write_text('{"model_type": "bert"}')
    for name in sorted(set(PLACES.values())):
        save_file(part_of(name), folder / name)
    index(folder, places)
    return folder


def part_of(name):
    return {it: WEIGHTS[it] for it, file in PLACES.items() if file == name}


def values(checkpoint):
    return {name: it.read().tolist() for name, it in checkpoint.tensors.items()}


EXPECTED = {name: it.tolist() for name, it in WEIGHTS.items()}


def test_shards_by_their_folder_and_by_their_index(tmp_path):
    sharded(tmp_path)

    for given in (tmp_path, tmp_path / "model.safetensors.index.json"):
        checkpoint = open_checkpoint(given)
        assert (checkpoint.path, checkpoint.format) == (tmp_path, "safetensors")
        assert list(checkpoint.tensors) == list(WEIGHTS)
        assert values(checkpoint) == EXPECTED
        assert [it.name for it in checkpoint.files] == ["model.safetensors.index.json", *NAMES]
        assert checkpoint.nbytes == sum(it.stat().st_size for it in checkpoint.files)


def test_a_shard_alone_is_what_it_holds(tmp_path):
    checkpoint = open_checkpoint(sharded(tmp_path) / NAMES[1])

    assert (checkpoint.path.name, set(checkpoint.tensors)) == (NAMES[1], {"b.weight", "c.bias"})


def test_torch_files_with_an_index(tmp_path):
    places = {it: f"pytorch_model-{name[6:14]}2.bin" for it, name in PLACES.items()}
    for name, file in zip(NAMES, sorted(set(places.values())), strict=True):
        torch.save(part_of(name), tmp_path / file)
    index(tmp_path, places, "pytorch_model.bin")

    checkpoint = open_checkpoint(tmp_path)

    assert (checkpoint.path, checkpoint.format) == (tmp_path, "state_dict")
    assert values(checkpoint) == EXPECTED


def test_a_folder_without_a_name(tmp_path, monkeypatch):
    monkeypatch.chdir(sharded(tmp_path))

    assert open_checkpoint(type(tmp_path)(".")).path == tmp_path


def test_tied_weights_of_shards(tmp_path):
    sharded(tmp_path)
    part = {it: WEIGHTS[it] for it in ("b.weight", "c.bias")}
    save_file(part, tmp_path / NAMES[1], metadata={"d.weight": "b.weight"})

    tensors = open_checkpoint(tmp_path).tensors

    assert list(tensors) == [*WEIGHTS, "d.weight"]
    assert tensors["d.weight"].identity == tensors["b.weight"].identity


def test_a_tensor_that_only_the_file_names_is_taken(tmp_path):
    sharded(tmp_path, places={name: PLACES[name] for name in ("b.weight", "a.weight")})

    assert list(open_checkpoint(tmp_path).tensors) == ["b.weight", "a.weight", "c.bias"]


def test_a_tensor_in_two_files_is_taken_from_the_one_that_the_index_names(tmp_path):
    sharded(tmp_path)
    save_file({"a.weight": WEIGHTS["a.weight"], "c.bias": torch.ones(2)}, tmp_path / NAMES[0])

    assert values(open_checkpoint(tmp_path)) == EXPECTED


SINGLE = [
    "model.safetensors",
    "diffusion_pytorch_model.safetensors",
    "adapter_model.safetensors",
    "anything.safetensors",
    "pytorch_model.bin",
    "adapter_model.bin",
]


@pytest.mark.parametrize("name", SINGLE)
def test_one_file_in_a_folder(name, tmp_path):
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "training_args.bin").write_bytes(b"anything")
    (save_file if name.endswith("s") else torch.save)(WEIGHTS, tmp_path / name)

    checkpoint = open_checkpoint(tmp_path)

    assert checkpoint.path == tmp_path / name
    assert values(checkpoint) == EXPECTED


@pytest.mark.parametrize(
    ("files", "taken"),
    [
        (["model.safetensors", "pytorch_model.bin"], "model.safetensors"),
        (["model.safetensors", "other.safetensors"], "model.safetensors"),
        (["other.safetensors", "pytorch_model.bin"], "other.safetensors"),
        (["pytorch_model.bin", "tf_model.h5", "flax_model.msgpack"], "pytorch_model.bin"),
    ],
)
def test_which_of_several_files(files, taken, tmp_path):
    for name in files:
        (save_file if name.endswith("s") else torch.save)(WEIGHTS, tmp_path / name)

    assert open_checkpoint(tmp_path).path == tmp_path / taken


def missing(folder):
    (folder / NAMES[1]).unlink()


def both_missing(folder):
    for name in NAMES:
        (folder / name).unlink()


def without_index(folder):
    (folder / "model.safetensors.index.json").unlink()


def places(**files):
    return lambda folder: index(folder, {**PLACES, "b.weight": files["file"]})


def written(content):
    return lambda folder: (folder / "model.safetensors.index.json").write_bytes(content)


def twice(folder):
    for name in NAMES:
        save_file(part_of(name) | {"x": torch.ones(1)}, folder / name)


def pointer(folder):
    (folder / NAMES[1]).write_bytes(b"version https://git-lfs.github.com/spec/v1\n")


def pipe(folder):
    (folder / NAMES[1]).unlink()
    os.mkfifo(folder / NAMES[1])


def itself(folder):
    index(folder, {"a.weight": "model.safetensors.index.json"})


def several(folder):
    index(folder, PLACES, "model.fp16.safetensors")
    index(folder, PLACES, "model.ema.safetensors")
    without_index(folder)


def two_files(folder):
    for path in folder.iterdir():
        path.unlink()
    for name in ("x.safetensors", "y.safetensors"):
        save_file(WEIGHTS, folder / name)


BAD = {
    "missing": (missing, r"00002-of-00002.safetensors: no such file; .* names 2 .* 1 is missing"),
    "both missing": (both_missing, "names 2 files, of which 2 are missing: copy or download"),
    "no index": (without_index, r"2 shards without their index \*.safetensors.index.json, .* 2 sh"),
    "another file": (places(file=NAMES[0]), "'b.weight' in model-00001-of-00002.safetensors, whi"),
    "parent": (places(file="../x"), "found '../x'; do not use this checkpoint"),
    "absolute": (places(file="/etc/passwd"), "found '/etc/passwd'; do not use"),
    "dots": (places(file=".."), "found '..'; do not use"),
    "backslash": (places(file="..\\x"), "do not use this checkpoint"),
    "drive": (places(file="c:x"), "do not use this checkpoint"),
    "null": (places(file="a\0"), r"found 'a.x00'"),
    "line end": (places(file="a\nb"), r"found 'a.nb'"),
    "long": (places(file="a" * 10**5), "found 'aaaaaaa"),
    "number": (places(file=3), "found '3'; do not use"),
    "nothing": (places(file=""), "found ''; do not use"),
    "empty map": (lambda it: index(it, {}), "found none; do not"),
    "a list": (lambda it: index(it, []), "found a list; do not"),
    "no map": (written(b'{"metadata": {}}'), "a JSON file without weight_map; expected a check"),
    "no json": (written(b"{broken"), "index of a sharded checkpoint, found no JSON"),
    "twice in json": (written(b'{"weight_map": {"a": "b", "a": "c"}}'), "found the name 'a' twice"),
    "deep": (written(b'{"a":' + b"[" * 10**5), "nested too deep"),
    "empty": (written(b""), "index.json: expected a checkpoint: .* found an empty file"),
    "two files": (twice, "'x' is in several files, and the index does not say"),
    "lfs": (pointer, "00002-of-00002.safetensors: .* Git LFS pointer .* run 'git lfs pull'"),
    "a pipe": (pipe, "00002-of-00002.safetensors: no such file"),
    "an index of itself": (itself, "expected a checkpoint: .* found a JSON file"),
    "several indexes": (several, "2 files that could be the weights; name one: .*ema.*fp16"),
    "several files": (two_files, "2 files that could be the weights; name one: .*x.safetensors or"),
    "a hostile name": (lambda it: index(it, {"a\x1b[2J": NAMES[0]}), r"expected 'a.x1b\[2J' in"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_a_folder_that_is_not_right(name, tmp_path):
    spoil, message = BAD[name]
    spoil(sharded(tmp_path))

    with pytest.raises(CheckpointError, match=message) as caught:
        open_checkpoint(tmp_path)
    assert str(tmp_path) in str(caught.value)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 800


def fifo(path):
    os.mkfifo(path)


def bound_socket(path):
    here = os.getcwd()
    os.chdir(path.parent)  # the address of a socket is short
    try:
        with socket.socket(socket.AF_UNIX) as it:
            it.bind(path.name)
    finally:
        os.chdir(here)


def loop(path):
    path.symlink_to(path.name)


def nowhere(path):
    path.symlink_to("lost")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (fifo, "expected a file or a folder, found a pipe; write it to a file first"),
        (bound_socket, "found a socket"),
        (loop, "cannot be read: Too many levels of symbolic links"),
        (nowhere, r"no such file or folder \(a link leads nowhere\); check the path"),
    ],
)
def test_what_is_no_file(make, message, tmp_path):
    make(tmp_path / "it")

    with pytest.raises(CheckpointError, match=message) as caught:
        open_checkpoint(tmp_path / "it")
    assert str(caught.value).startswith(f"{tmp_path / 'it'}: ")


def test_a_device(tmp_path):
    with pytest.raises(CheckpointError, match=r"^/dev/null: .* found a device"):
        open_checkpoint(type(tmp_path)("/dev/null"))
