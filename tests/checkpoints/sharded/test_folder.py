"""Sharded folders made in one process, good and bad; what torch itself reads is the reference."""

from __future__ import annotations

import os
import pickle
import shutil
import warnings
from dataclasses import replace

import pytest
import saved
import sharded
import torch
import torch.distributed.checkpoint as dcp
from torch.distributed.checkpoint.filesystem import (
    FileSystemWriter,
    SerializationFormat,
    _StorageInfo,
)
from torch.distributed.checkpoint.metadata import (
    BytesStorageMetadata,
    ChunkStorageMetadata,
    Metadata,
    MetadataIndex,
)

from prunetool.checkpoints.reader import open_checkpoint
from prunetool.checkpoints.torch_files.standins import Made
from prunetool.errors import CheckpointError

WHOLE = torch.arange(35.0).reshape(7, 5)
ROWS = [((0, 0), (4, 5)), ((4, 0), (3, 5))]
GRID = [((0, 0), (4, 3)), ((0, 3), (4, 2)), ((4, 0), (3, 3)), ((4, 3), (3, 2))]
KINDS = {
    "fc.weight": WHOLE,
    "fc.bias": torch.tensor([0.5, -0.0]).bfloat16(),
    "norm.running_mean": torch.zeros(2),
    "norm.num_batches_tracked": torch.tensor(7),
    "scale": torch.tensor(2.0),
    "table": torch.tensor([[1, -1]], dtype=torch.int8),
    "kept": torch.tensor([True, False]),
    "narrow": torch.tensor([1.5]).to(torch.float8_e4m3fn),
    "empty": torch.empty(0, 3),
    "transposed": WHOLE.T,
}


def bits(tensor):
    return tensor.dtype, tensor.shape, tensor.contiguous().reshape(-1).view(torch.uint8).tolist()


@pytest.mark.parametrize("root", ["state_dict", "model"])
def test_all_kinds_of_tensors(root, tmp_path):
    checkpoint = open_checkpoint(sharded.save_folder(tmp_path / "a.ckpt", KINDS, root=root))

    assert (checkpoint.path, checkpoint.format) == (tmp_path / "a.ckpt", "sharded")
    assert checkpoint.content["epoch"] == 3
    assert checkpoint.masks is None
    assert list(checkpoint.tensors) == list(KINDS)
    for name, tensor in KINDS.items():
        found = checkpoint.tensors[name]
        assert (found.shape, found.dtype, found.nbytes) == (
            tensor.shape,
            tensor.dtype,
            tensor.nbytes,
        )
        assert bits(found.read()) == bits(tensor), name
    assert [name for name in KINDS if checkpoint.is_parameter(name)] == [
        "fc.weight", "fc.bias", "scale", "narrow", "empty", "transposed"
    ]  # fmt: skip
    assert checkpoint.nbytes == sum(
        (tmp_path / "a.ckpt" / name).stat().st_size for name in ("__0_0.distcp", "meta.pt")
    )


@pytest.mark.parametrize("cuts", [ROWS, GRID, ROWS[::-1]], ids=["rows", "grid", "reversed"])
def test_a_tensor_in_the_files_of_several_ranks(cuts, tmp_path):
    path = sharded.save_chunks(tmp_path / "a.ckpt", "fc.weight", WHOLE, cuts)
    reference = {"state_dict.fc.weight": torch.empty(7, 5)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dcp.load(reference, checkpoint_id=path, no_dist=True)

    found = open_checkpoint(path).tensors["fc.weight"].read()

    assert torch.equal(found, WHOLE)
    assert torch.equal(reference["state_dict.fc.weight"], WHOLE)


def test_what_is_no_tensor_of_the_model(tmp_path):
    weights = {
        "w": WHOLE,
        "layer._extra_state": {"scale": torch.tensor(3.0), "names": ["a"]},
        "other._extra_state": b"bytes",
        "prunetool.early.w": WHOLE,
        "prunetool.original.w": WHOLE,
        "prunetool.gathered.0.w": WHOLE,
        "prunetool.weight": torch.ones(1),  # a module that the user calls so
    }
    entries = {"optimizer_0": {"state": {"w": {"exp_avg": WHOLE}}}}
    path = sharded.save_folder(tmp_path / "a.ckpt", weights, entries=entries)

    checkpoint = open_checkpoint(path)

    assert list(checkpoint.tensors) == ["w", "prunetool.weight"]
    assert checkpoint.folded["other._extra_state"] == b"bytes"
    extra = checkpoint.folded["layer._extra_state"]
    assert (list(extra), extra["names"], extra["scale"].read().item()) == (
        ["scale", "names"],
        ["a"],
        3.0,
    )
    assert len(checkpoint.folded) == 4


def test_prunetools_masks_and_record(tmp_path):
    kept = torch.arange(35).reshape(7, 5) % 3 == 0
    weights = {"fc.weight": WHOLE, "fc.bias": torch.ones(3), "head.weight": WHOLE}
    record = {"schema": 1, "parameters": list(weights), "tied": {"head.weight": "fc.weight"}}
    callbacks = {"ModelPruning": saved.mask_state(fc__weight=kept)}
    path = sharded.save_folder(tmp_path / "a.ckpt", weights, prunetool=record, callbacks=callbacks)

    checkpoint = open_checkpoint(path)

    assert checkpoint.masks == "prunetool"
    for name in ("fc.weight", "head.weight"):
        assert torch.equal(checkpoint.tensors[name].read(), WHOLE * kept)
    assert checkpoint.tensors["head.weight"].identity == checkpoint.tensors["fc.weight"].identity
    assert checkpoint.is_parameter("fc.bias")


def test_masks_that_lie_beside_their_tensors(tmp_path):
    kept = (torch.arange(35.0).reshape(7, 5) % 2).bfloat16()
    path = sharded.save_folder(tmp_path / "a.ckpt", {"w_orig": WHOLE, "w_mask": kept})

    checkpoint = open_checkpoint(path)

    assert (list(checkpoint.tensors), checkpoint.masks) == (["w"], "torch")
    assert torch.equal(checkpoint.tensors["w"].read(), WHOLE * kept)


@pytest.mark.parametrize("name", ["last.ckpt", "best.ckpt", "round-2.ckpt"])
def test_the_checkpoints_of_a_run_folder(name, tmp_path):
    folder = tmp_path / "run" / "checkpoints"
    folder.mkdir(parents=True)
    path = sharded.save_folder(folder / name, {"w": WHOLE})
    given = tmp_path / "run" if name == "last.ckpt" else path

    assert open_checkpoint(given).path == path


def test_a_part_of_a_folder_is_no_checkpoint(tmp_path):
    path = sharded.save_folder(tmp_path / "a.ckpt", {"w": WHOLE})

    with pytest.raises(CheckpointError, match=r"__0_0.distcp: a part of .* give its folder"):
        open_checkpoint(path / "__0_0.distcp")


def without(name):
    def change(path):
        (path / name).unlink()

    return change


def shortened(name, size):
    def change(path):
        content = (path / name).read_bytes()
        (path / name).write_bytes(content[:size])

    return change


def index(change):
    def apply(path):
        with sharded.changed_index(path) as metadata:
            change(metadata)

    return apply


def places(**fields):
    """The first chunk is said to be elsewhere."""

    def change(metadata):
        key = next(iter(metadata.storage_data))
        metadata.storage_data[key] = replace(metadata.storage_data[key], **fields)

    return index(change)


def entry(metadata):
    return metadata.state_dict_metadata["state_dict.fc.weight"]


def second_chunk(at, size):
    def change(metadata):
        entry(metadata).chunks[1] = ChunkStorageMetadata(torch.Size(at), torch.Size(size))

    return index(change)


def attribute(name, value):
    return index(lambda metadata: setattr(entry(metadata), name, value))


def dtype(metadata):
    entry(metadata).properties.dtype = torch.int32


def renamed_root(metadata):
    metadata.planner_data = {"state_dict.fc.weight": ("net", "fc.weight")}


def one_object(metadata):
    metadata.state_dict_metadata = {"state_dict": BytesStorageMetadata()}


def both_at_once(metadata):
    places = list(metadata.storage_data.values())
    places[1].relative_path = places[0].relative_path


def written(name, content):
    return lambda path: (path / name).write_bytes(content)


def linked_away(path):
    (path / "__1_0.distcp").unlink()
    os.mkfifo(path / "__1_0.distcp")


def safetensors_shards(path):
    shutil.rmtree(path)
    writer = FileSystemWriter(path, serialization_format=SerializationFormat.SAFETENSORS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dcp.save({"state_dict": {"w": WHOLE}}, storage_writer=writer, no_dist=True)
    torch.save({"epoch": 1}, path / "meta.pt")


def crossing(path):
    """A tensor, and an object below it."""
    content = (path / "__0_0.distcp").read_bytes()
    torch.save("x", path / "__0_0.distcp")
    more = (path / "__0_0.distcp").read_bytes()
    (path / "__0_0.distcp").write_bytes(content + more)
    with sharded.changed_index(path) as metadata:
        metadata.state_dict_metadata["x"] = BytesStorageMetadata()
        metadata.planner_data["state_dict.fc.weight"] = ("state_dict", "fc", "a")
        metadata.planner_data["x"] = ("state_dict", "fc", "a", "b")
        place = _StorageInfo("__0_0.distcp", len(content), len(more))
        metadata.storage_data[MetadataIndex("x")] = place


BAD = {
    "no index": (without(".metadata"), "without its index .metadata: it was not finished, or"),
    "no meta": (without("meta.pt"), "a sharded folder without meta.pt, which Lightning writes la"),
    "no shard": (without("__1_0.distcp"), "__1_0.distcp: no such file; the folder is incomplete"),
    "a pipe": (linked_away, "__1_0.distcp: no such file"),
    "cut shard": (shortened("__1_0.distcp", 900), "__1_0.distcp: cut off: expected at least"),
    "empty shard": (shortened("__0_0.distcp", 0), "__0_0.distcp: cut off: .* found 0;"),
    "cut index": (shortened(".metadata", 200), "damaged: .* torch.distributed.checkpoint writes"),
    "empty index": (shortened(".metadata", 0), r"EOFError \(no details\)"),
    "text index": (written(".metadata", b"version 1\n"), "metadata: damaged"),
    "cut meta": (shortened("meta.pt", 100), "meta.pt: cut off or damaged"),
    "meta of another kind": (lambda path: torch.save([1], path / "meta.pt"), "found a list"),
    "outside": (places(relative_path="../x"), "the name of a file in the folder, found '../x'"),
    "absolute": (places(relative_path="/etc/passwd"), "found '/etc/passwd'; do not use"),
    "parent": (places(relative_path=".."), "the name of a file in the folder"),
    "no name": (places(relative_path=""), "the name of a file in the folder"),
    "windows": (places(relative_path="..\\x"), "the name of a file in the folder"),
    "null": (places(relative_path="a\0b"), "the name of a file in the folder"),
    "number": (places(relative_path=3), "expected the name of a file, found a int"),
    "too far": (places(offset=10**12), "cut off: expected at least 1000000001"),
    "too long": (places(length=10**12), "cut off: expected at least"),
    "negative": (places(offset=-1), "expected sizes or offsets, whole"),
    "too short": (places(length=10), r"expected 80 bytes for \[4, 5\] of torch.float32"),
    "elsewhere": (places(offset=1), "cut off"),
    "compressed": (places(transform_descriptors=["zstd"]), "0_0.distcp': compressed or trans"),
    "shared bytes": (index(both_at_once), "__0_0.distcp: two chunks share bytes"),
    "safetensors": (safetensors_shards, "found a safetensors file; copy the folder again, or save"),
    "overlap": (second_chunk((3, 0), (3, 5)), r"two chunks overlap, at \[0, 0\] and \[3, 0\]"),
    "gap": (second_chunk((5, 0), (2, 5)), "expected 35 elements in its chunks, found 30"),
    "outside chunk": (second_chunk((4, 0), (4, 5)), r"inside the shape \[7, 5\]"),
    "unknown chunk": (attribute("chunks", []), "found 0; the folder is incomplete"),
    "larger": (attribute("size", torch.Size([2**40, 5])), "in its chunks, found 35"),
    "no place": (
        index(lambda it: it.storage_data.popitem()),
        r"fc.weight at \[4, 0\]: the index does not say where it is stored",
    ),
    "no places": (index(lambda it: setattr(it, "storage_data", None)), "does not say where"),
    "no root": (index(renamed_root), "under state_dict or model, .* found 'net'; save it with"),
    "no entries": (index(lambda it: it.state_dict_metadata.clear()), "model, .* found none"),
    "one object": (index(one_object), "model, .* found 'state_dict'"),
    "no fields": (lambda path: sharded.write_index(path, {"a": 1}), "a Metadata, found a dict"),
    "laughs": (lambda path: sharded.write_index(path, laughs()), "a Metadata, found a list"),
    "another class": (lambda path: sharded.write_index(path, Attack()), "an object of <"),
    "a key": (index(lambda it: it.state_dict_metadata.update({3: 4})), "a key, found a int"),
    "no dtype": (index(lambda it: setattr(entry(it), "properties", 1)), "a TensorProperties"),
    "no path": (index(lambda it: it.planner_data.update(a=())), "the keys on a way"),
    "a key of two lines": (index(lambda it: it.state_dict_metadata.update({"a\nb": 1})), "'a.nb'"),
    "a long key": (index(lambda it: it.state_dict_metadata.update({"a" * 5000: 1})), "'aaaa"),
    "a hostile way": (index(lambda it: it.planner_data.update(a=("x\x1b",))), "'x.x1b'"),
    "a long way": (index(lambda it: it.planner_data.update(a=(0,) * 9999)), "a way of 9999 keys"),
    "a way in itself": (index(lambda it: it.planner_data.update(a=cycle())), "the keys on a way"),
    "ways that cross": (crossing, "leads through a value"),
    "a long list": (index(lambda it: it.planner_data.update(a=("x", 2**70))), "a way of 2 keys"),
    "huge": (attribute("size", torch.Size([2**62, 2**62])), "a tensor (without a shape|of )"),
    "no elements": (attribute("size", torch.Size([2**40, 2**40, 0])), r"a tensor of \[109951"),
    "no size": (attribute("size", (2**40, 2**40, 0)), r"a tensor of the shape '\[1099511627776"),
    "many dimensions": (attribute("size", torch.Size([1] * 65)), "a tensor of 65 dimensions"),
    "more dimensions": (attribute("size", (1,) * 65), r"a tensor of the shape '\[1, 1,"),
    "quintillions": (attribute("size", torch.Size([10**18])), r"inside the shape \[10000"),
    "huge numbers": (attribute("size", (10**400,)), "expected sizes or offsets"),
    "far away": (places(offset=10**400), "expected sizes or offsets"),
    "huge chunk": (second_chunk((4, 0), (2**40, 5)), "inside the shape"),
    "true": (places(length=True), "expected sizes or offsets"),
    "deep": (lambda path: (path / ".metadata").write_bytes(deep()), "metadata: damaged"),
    "a false shape": (attribute("size", "ab"), "expected sizes or offsets"),
}  # fmt: skip


def cycle():
    it = []
    it.append(it)
    return it


def deep():
    """Tuples in each other, more than can be gone through by calls."""
    return b"\x80\x04)" + b"\x85" * 100_000 + b"."


def laughs():
    """A list of 2^60 elements in a pickle of a few hundred bytes."""
    it = []
    for _ in range(60):
        it = [it, it]
    return it


class Attack:
    def __reduce__(self):
        return os.system, ("touch canary",)


@pytest.mark.parametrize("name", BAD)
def test_a_folder_that_is_not_right(name, tmp_path):
    spoil, message = BAD[name]
    path = sharded.save_chunks(tmp_path / "a.ckpt", "fc.weight", WHOLE, ROWS)
    spoil(path)

    with pytest.raises(CheckpointError, match=message) as caught:
        open_checkpoint(path)
    assert str(path) in str(caught.value)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 600


def other_dtype(path):
    with sharded.changed_index(path) as metadata:
        dtype(metadata)


def other_shape(path):
    file = path / "__1_0.distcp"
    size = file.stat().st_size
    torch.save(torch.ones(5, 3), file)
    assert file.stat().st_size == size


def another_object(path):
    torch.save(["x" * 60], path / "__1_0.distcp")
    sharded.change_places(
        path, lambda it: setattr(it, "length", (path / it.relative_path).stat().st_size)
    )


def damaged(path):
    file = path / "__1_0.distcp"
    content = bytearray(file.read_bytes())
    content[-30:] = bytes(30)
    file.write_bytes(content)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (other_dtype, r"chunk of \[4, 5\] of torch.int32, found \[4, 5\] of torch.float32"),
        (other_shape, r"chunk of \[3, 5\] of torch.float32, found \[5, 3\]"),
        (another_object, "found a list; the folder is inconsistent"),
        (damaged, "__1_0.distcp: damaged: state_dict.fc.weight cannot be read"),
        (without("__1_0.distcp"), "__1_0.distcp: cannot be read: No such file"),
    ],
)
def test_a_chunk_that_is_not_right(spoil, message, tmp_path):
    path = sharded.save_chunks(tmp_path / "a.ckpt", "fc.weight", WHOLE, ROWS)
    if spoil in (other_dtype, other_shape, another_object, damaged):
        spoil(path)
        checkpoint = open_checkpoint(path)
    else:
        checkpoint = open_checkpoint(path)
        spoil(path)

    with pytest.raises(CheckpointError, match=message):
        checkpoint.tensors["fc.weight"].read()


def hostile_index(path):
    (path / ".metadata").write_bytes(pickle.dumps(Attack()))


def hostile_field(path):
    with sharded.changed_index(path) as metadata:
        metadata.storage_meta = Attack()
        metadata.planner_data["x"] = Attack()


def hostile_size(path):
    with sharded.changed_index(path) as metadata:
        entry(metadata).size = Attack()


def hostile_entry(path):
    """A byte entry of the model, which is read on opening."""
    shutil.rmtree(path)
    sharded.save_folder(path, {"w": WHOLE, "x._extra_state": Attack()})


def hostile_chunk(path):
    torch.save(Attack(), path / "__1_0.distcp")
    sharded.change_places(
        path, lambda it: setattr(it, "length", (path / it.relative_path).stat().st_size)
    )


def hostile_meta(path):
    torch.save({"epoch": 1, "hyper_parameters": {"a": Attack()}}, path / "meta.pt")


@pytest.mark.parametrize(
    "spoil",
    [hostile_index, hostile_field, hostile_size, hostile_entry, hostile_chunk, hostile_meta],
)
def test_nothing_in_a_folder_is_run(spoil, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = sharded.save_chunks(tmp_path / "a.ckpt", "fc.weight", WHOLE, ROWS)
    spoil(path)

    try:
        checkpoint = open_checkpoint(path)
        for tensor in checkpoint.tensors.values():
            tensor.read()
        outcome = "read"
    except CheckpointError:
        outcome = "refused"

    harmless = spoil in (hostile_entry, hostile_meta)
    assert outcome == ("read" if harmless else "refused")
    assert not (tmp_path / "canary").exists()
    if spoil is hostile_entry:
        assert isinstance(checkpoint.folded["x._extra_state"], Made)


def test_the_attack_would_work(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    pickle.loads(pickle.dumps(Attack()))

    assert (tmp_path / "canary").exists()


def test_chunks_that_carry_a_gradient_are_values_only(tmp_path):
    path = sharded.save_chunks(tmp_path / "a.ckpt", "fc.weight", WHOLE, ROWS)
    torch.save(WHOLE[4:].clone().requires_grad_(), path / "__1_0.distcp")

    found = open_checkpoint(path).tensors["fc.weight"].read()

    assert torch.equal(found, WHOLE)
    assert not found.requires_grad


def test_an_index_without_planner_data(tmp_path):
    path = sharded.save_chunks(tmp_path / "a.ckpt", "fc.weight", WHOLE, ROWS)
    with sharded.changed_index(path) as metadata:
        metadata.planner_data = None
        assert isinstance(metadata, Metadata)

    assert torch.equal(open_checkpoint(path).tensors["fc.weight"].read(), WHOLE)


def model_and_optimizer():
    model = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.BatchNorm1d(3))
    optimizer = torch.optim.AdamW(model.parameters())
    model(torch.randn(2, 4)).sum().backward()
    optimizer.step()
    return model.state_dict(), optimizer.state_dict()


@pytest.mark.parametrize(
    "shape",
    [
        pytest.param(lambda model, optimizer: model, id="the state_dict itself"),
        pytest.param(lambda model, optimizer: {"model": model, "optim": optimizer}, id="beside"),
        pytest.param(
            lambda model, optimizer: {"app": {"model": model, "optim": optimizer}}, id="deeper"
        ),
        pytest.param(lambda model, optimizer: {**model, "optimizer": optimizer}, id="among"),
    ],
)
@pytest.mark.filterwarnings("ignore:torch.distributed is disabled")
def test_a_folder_that_torch_wrote_without_lightning(shape, tmp_path):
    model, optimizer = model_and_optimizer()
    dcp.save(shape(model, optimizer), checkpoint_id=tmp_path / "a", no_dist=True)

    found = open_checkpoint(tmp_path / "a").tensors

    assert set(found) == set(model)
    assert all(torch.equal(found[name].read(), model[name]) for name in model)
