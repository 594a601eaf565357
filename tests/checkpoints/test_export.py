from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys

import pytest
import saved
import torch
from safetensors import safe_open
from safetensors.torch import load_file

import prunetool
from prunetool.checkpoints.export import bytes_to_go_through, export
from prunetool.checkpoints.lazy import PIECE
from prunetool.checkpoints.reader import open_checkpoint
from prunetool.checkpoints.selection import Selection
from prunetool.errors import CheckpointError, OptionError, OutputError


def metadata(path):
    with safe_open(path, framework="pt") as file:
        return file.metadata()


def digest(*tensors):
    """The digest as it is documented, of tensors in the order of their names."""
    lines = [
        json.dumps([name, dtype, shape, hashlib.sha256(values.numpy().tobytes()).hexdigest()])
        for name, dtype, shape, values in tensors
    ]
    text = "".join(line.replace(", ", ",") + "\n" for line in lines)
    return hashlib.sha256(text.encode()).hexdigest()


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
    assert metadata(target) == {
        "format": "pt",
        "head.weight": "fc.weight",
        "prunetool": prunetool.__version__,
        "sparsity": "0.416667",  # 4 zeros in the weight, 1 in the bias, of 12; no running mean
        "source_sha256": digest(
            ("blocks[0].weight", "float32", [2, 2], torch.ones(2, 2)),
            ("fc.bias", "float32", [2], torch.tensor([0.0, 1.0])),
            ("fc.weight", "float32", [2, 3], saved.FOLDED_WEIGHT),
            ("head.weight", "float32", [2, 3], saved.FOLDED_WEIGHT),
            ("norm.running_mean", "float32", [2], torch.zeros(2)),
        ),
    }
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
    assert "fc.weight" not in metadata(tmp_path / "a.safetensors")


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


def test_tied_tensors_can_be_written_out(checkpoint, tmp_path):
    export(checkpoint, selection=Selection(untie=True))

    found = load_file(tmp_path / "a.safetensors")
    assert torch.equal(found["fc.weight"], saved.FOLDED_WEIGHT)
    assert torch.equal(found["head.weight"], saved.FOLDED_WEIGHT)
    fields = metadata(tmp_path / "a.safetensors")
    assert "head.weight" not in fields
    tied = export(checkpoint, tmp_path / "tied.safetensors").paths[0]
    assert metadata(tied) == fields | {"head.weight": "fc.weight"}  # same sparsity and source


def test_an_alias_never_takes_the_place_of_a_field_of_the_metadata(tmp_path):
    weight = torch.ones(3)

    export(made(tmp_path, first=weight, sparsity=weight, second=weight))

    target = tmp_path / "a.safetensors"
    same(dict(sorted(load_file(target).items())), {"first": weight, "sparsity": weight})
    assert metadata(target)["second"] == "first"
    assert metadata(target)["sparsity"] == "0.000000"
    assert set(open_checkpoint(target).tensors) == {"first", "second", "sparsity"}


def test_the_source_is_the_same_whatever_the_container_the_prefix_and_the_dtype(tmp_path):
    weights = {"m.b": torch.tensor([-0.0, 1.5]), "m.a": torch.arange(6.0).reshape(3, 2).t()}
    checkpoint = made(tmp_path, **weights)
    plain = export(checkpoint).paths[0]
    again = export(open_checkpoint(plain)).paths[0]
    stripped = Selection(strip_prefix="m.", dtype=torch.float16)
    changed = export(checkpoint, tmp_path / "c.safetensors", selection=stripped).paths[0]

    assert again.name == "a.dense.safetensors"
    assert again.read_bytes() == plain.read_bytes()
    sources = [metadata(path)["source_sha256"] for path in (plain, again, changed)]
    expected = digest(
        ("m.a", "float32", [2, 3], weights["m.a"].contiguous()),
        ("m.b", "float32", [2], weights["m.b"]),
    )
    assert sources == [expected] * 3


def test_all_shards_say_the_same(tmp_path):
    done = export(made(tmp_path, **SHARDED), largest_shard=200)

    fields = [metadata(path) for path in done.paths[:-1]]
    assert fields == [fields[0]] * 3
    assert fields[0]["sparsity"] == "0.200000"


def test_progress_is_told_in_bytes_of_tensors(checkpoint):
    seen = []
    export(checkpoint, advance=seen.append)

    assert sum(seen) == bytes_to_go_through(checkpoint) == 56


def test_old_shards_are_removed_with_their_index_and_nothing_else(tmp_path):
    checkpoint = made(tmp_path, **SHARDED)
    export(checkpoint, largest_shard=200)
    other = tmp_path / "a-00007-of-00009.safetensors"
    other.write_bytes(b"not named by the index")
    index = tmp_path / "a.safetensors.index.json"
    content = json.loads(index.read_text())
    content["weight_map"] |= {"x": "../a-00001-of-00003.safetensors", "y": "a.ckpt"}
    index.write_text(json.dumps(content))

    done = export(checkpoint, largest_shard=300, force=True)

    assert sorted(path.name for path in done.removed) == [
        f"a-0000{number}-of-00003.safetensors" for number in (1, 2, 3)
    ]
    export(checkpoint, force=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "a-00007-of-00009.safetensors",
        "a.ckpt",
        "a.safetensors",
    ]


@pytest.mark.parametrize("link", [os.link, os.symlink])
@pytest.mark.parametrize("name", ["a-00002-of-00003.safetensors", "a.safetensors.index.json"])
def test_no_file_of_the_input_is_replaced(link, name, tmp_path):
    export(made(tmp_path, **SHARDED), largest_shard=200)
    index = tmp_path / "a.safetensors.index.json"
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    link(tmp_path / name, elsewhere / "out.safetensors")
    before = {path: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    checkpoint = open_checkpoint(index)

    for target in (elsewhere / "out.safetensors", tmp_path / name):
        with pytest.raises(OutputError, match=r"would replace (a file of )?the input"):
            export(checkpoint, target, given=index, force=True)
    with pytest.raises(OutputError, match="would replace a file of the input"):
        export(checkpoint, tmp_path / "a.safetensors", given=index, largest_shard=200, force=True)
    assert {path: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()} == before


def test_a_model_folder_is_not_written_into(tmp_path):
    folder = tmp_path / "bert-v1.5"
    folder.mkdir()
    plain = export(made(tmp_path, w=torch.ones(2))).paths[0]
    plain.rename(folder / "model.safetensors")
    checkpoint = open_checkpoint(folder)

    with pytest.raises(OutputError, match="would lie in the input folder"):
        export(checkpoint, folder / "new.safetensors", given=folder)
    assert export(checkpoint, given=folder).paths == (tmp_path / "bert-v1.5.safetensors",)


FULL = """
import resource, sys, torch
from pathlib import Path
from prunetool.checkpoints import writing
from prunetool.checkpoints.export import export
from prunetool.checkpoints.reader import open_checkpoint
from prunetool.errors import OutputError

checkpoint = open_checkpoint(Path(sys.argv[1]))
if sys.argv[2] == "late":
    del writing.os.posix_fallocate
resource.setrlimit(resource.RLIMIT_FSIZE, (9_000_000, 9_000_000))
seen = []
try:
    export(checkpoint, advance=seen.append, largest_shard=8_000_000)
except OutputError as error:
    print(len(seen), error)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs a limit on file sizes")
@pytest.mark.parametrize(("when", "pieces"), [("early", 0), ("late", 4 + 8)])
def test_a_full_disk(when, pieces, tmp_path):
    assert PIECE * 4 * 8 < 9_000_000 < PIECE * 4 * 9  # bytes: the ninth of the second shard fails
    checkpoint = made(tmp_path, a=torch.ones(1_000_000), b=torch.ones(3_000_000))

    done = subprocess.run(
        [sys.executable, "-c", FULL, str(checkpoint.path), when], capture_output=True, text=True
    )

    assert done.stdout == (
        f"{pieces} {tmp_path / 'a-00001-of-00002.safetensors'}: cannot be written: "
        "File too large; choose another -o\n"
    ), done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["a.ckpt"]


def test_tensors_that_fail_beside_others_leave_nothing_behind(tmp_path):
    large = {name: torch.full((4 * PIECE,), 2.0) for name in ("a_orig", "c")}
    checkpoint = made(tmp_path, **large, a_mask=torch.full((4 * PIECE,), 0.5), b=torch.ones(9))

    with pytest.raises(CheckpointError, match="mask a_mask: expected only 0 and 1"):
        export(checkpoint)
    assert [path.name for path in tmp_path.iterdir()] == ["a.ckpt"]


@pytest.mark.parametrize("untie", [False, True])
def test_same_bytes_whichever_thread_is_first(untie, tmp_path):
    """With --untie two threads read one tensor, which is not in its order in the file."""
    torch.manual_seed(0)
    turned = torch.rand(900, 600).t()
    weights = {f"w{it}": torch.rand(10 ** (it % 7)) for it in range(30)}
    mask = (torch.rand(900, 600) > 0.5).float().t()
    weights |= {"x_orig": turned, "x_mask": mask, "y_orig": turned, "y_mask": mask}
    weights |= {"z_orig": torch.rand(600, 900), "z_mask": mask}
    checkpoint = made(tmp_path, **weights)
    contents = set()
    for number in range(5):
        (tmp_path / str(number)).mkdir()
        target = tmp_path / str(number) / "a.safetensors"
        export(checkpoint, target, selection=Selection(untie=untie), largest_shard=3_000_000)
        files = sorted(target.parent.iterdir())
        contents.add(b"".join(path.read_bytes() for path in files))
    assert len(contents) == 1
    found = {}
    for path in files[:-1]:
        found |= load_file(path)
    assert torch.equal(found["x"], turned * mask)
    assert torch.equal(found["z"], weights["z_orig"] * mask)


def test_an_interrupt_leaves_nothing_behind(tmp_path):
    checkpoint = made(tmp_path, **SHARDED)
    seen = []

    def interrupt(count):
        seen.append(count)
        if len(seen) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export(checkpoint, largest_shard=200, advance=interrupt)
    assert [path.name for path in tmp_path.iterdir()] == ["a.ckpt"]


def test_the_file_is_read_where_prunetool_is_not_installed(checkpoint, tmp_path):
    export(checkpoint)
    code = """
import sys
from safetensors.torch import load_file
found = load_file(sys.argv[1])
print(found["fc.weight"].tolist(), "prunetool" in sys.modules)
"""
    done = subprocess.run(
        [sys.executable, "-I", "-c", code, str(tmp_path / "a.safetensors")],
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert done.stdout == f"{saved.FOLDED_WEIGHT.tolist()} False\n", done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="has no SIGTERM")
def test_sigterm_leaves_nothing_behind(tmp_path):
    checkpoint = made(tmp_path, **SHARDED)
    code = """
import os, signal, sys
from pathlib import Path
from prunetool.checkpoints.export import export
from prunetool.checkpoints.reader import open_checkpoint

def stop(count):
    print(len(list(Path(sys.argv[1]).parent.iterdir())), flush=True)
    os.kill(os.getpid(), signal.SIGTERM)

export(open_checkpoint(Path(sys.argv[1])), largest_shard=200, advance=stop)
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(checkpoint.path)], capture_output=True, text=True
    )

    assert (done.returncode, done.stdout) == (143, "5\n"), done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["a.ckpt"]
