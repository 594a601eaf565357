from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import saved
import torch
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import load_file

import prunetool
from prunetool.checkpoints.export import bytes_to_go_through, export
from prunetool.checkpoints.lazy import PIECE
from prunetool.checkpoints.reader import open_checkpoint
from prunetool.checkpoints.selection import Selection
from prunetool.errors import CheckpointError, OutputError

ROOT = Path(__file__).parents[3]
FLOATS = [torch.float64, torch.float32, torch.float16, torch.bfloat16]
DTYPES = [
    *FLOATS,
    torch.float8_e4m3fn,
    torch.float8_e5m2,
    torch.complex64,
    torch.int64,
    torch.int16,
    torch.uint8,
    torch.bool,
]


WIDTHS = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}


def made(path, **weights):
    return open_checkpoint(saved.save_lightning(path / "a.ckpt", weights))


def sparse_of(path, **weights):
    return export(made(path, **weights), sparse=True, force=True)


def layouts(path):
    with safe_open(path, framework="pt") as file:
        fields = json.loads(file.metadata()["sparse"])
    assert fields["version"] == 1
    return {name: it["mask"] for name, it in fields["tensors"].items()}


def bits(tensor):
    return tensor.contiguous().reshape(-1).view(torch.uint8)


def same_bits(found, expected):
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        assert (found[name].dtype, found[name].shape) == (tensor.dtype, tensor.shape)
        assert torch.equal(bits(found[name]), bits(tensor)), name


def random(*shape, sparsity=0.9, seed=0):
    generator = torch.Generator().manual_seed(seed)
    values = torch.randn(*shape, generator=generator)
    order = torch.randperm(values.numel(), generator=generator)
    values.view(-1)[order[: round(sparsity * values.numel())]] = 0
    return values


def n_of_m(rows, columns, kept, group):
    values = torch.randn(rows, columns // group, group)
    lowest = values.abs().argsort(dim=-1)[..., : group - kept]
    return values.scatter_(-1, lowest, 0).reshape(rows, columns)


def without(values, *slices):
    for index in slices:
        values[index] = 0
    return values


@st.composite
def tensors(draw):
    """Any bits of any dtype, with zeros in elements or slices: NaN payloads, -0.0, subnormals."""
    dtype = draw(st.sampled_from(DTYPES))
    some = st.lists(st.integers(5, 12), min_size=2, max_size=4)
    shape = draw(st.lists(st.integers(0, 3), max_size=3) | some)
    seed = draw(st.integers(0, 2**31))
    generator = torch.Generator().manual_seed(seed)
    size = torch.Size(shape).numel()
    high = 2 if dtype == torch.bool else 256
    raw = torch.randint(high, (size * dtype.itemsize,), dtype=torch.uint8, generator=generator)
    values = raw.view(dtype).reshape(shape)
    if draw(st.booleans()) and size:
        gone = torch.rand(shape, generator=generator) < draw(st.sampled_from([0.5, 0.9, 1.0]))
        raw.view(size, -1)[gone.reshape(-1)] = 0
    for dim, length in enumerate(shape if size else []):
        kept = draw(st.sampled_from([length, 1]))
        values.view(WIDTHS[dtype.itemsize]).narrow(dim, kept, length - kept).zero_()
    if draw(st.booleans()) and dtype in FLOATS and size:
        special = torch.tensor([-0.0, float("nan"), float("inf"), 5e-324, 1e-45], dtype=dtype)
        flat = values.reshape(-1)
        flat[: min(5, size)] = special[: min(5, size)]
        values = flat.reshape(shape)
    return values


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(tensors(), min_size=1, max_size=3))
def test_every_bit_comes_back(tmp_path, several):
    weights = {f"w{number}": values for number, values in enumerate(several)}
    done = sparse_of(tmp_path, **weights)
    event(
        f"masks of {sorted(sum(it > 1 for it in mask) for mask in layouts(done.paths[0]).values())}"
    )

    same_bits(prunetool.load_sparse(done.paths[0]), weights)
    dense = export(open_checkpoint(done.paths[0]), tmp_path / "dense.safetensors", force=True)
    same_bits(load_file(dense.paths[0]), weights)


@pytest.mark.parametrize(
    ("weight", "mask"),
    [
        (random(40, 30), [40, 30]),
        (without(torch.randn(64, 50), slice(0, 64, 2)), [64, 1]),
        (without(torch.randn(50, 64), (slice(None), slice(8))), [1, 64]),
        (without(torch.randn(16, 8, 3, 3), slice(2, 9)), [16, 1, 1, 1]),
        (without(torch.randn(16, 8, 3, 3), (slice(None), 5)), [1, 8, 1, 1]),
        (without(torch.randn(16, 8, 3, 3), (slice(0, 9), slice(0, 3))), [16, 8, 1, 1]),
        (without(torch.randn(9, 9, 9, 9), (slice(None), slice(None), 3)), [1, 1, 9, 1]),
        (without(torch.randn(9, 9, 9, 9), (..., slice(4))), [1, 1, 1, 9]),
        (torch.zeros(30, 20), [1, 1]),
        (-torch.zeros(30, 20), None),
        (torch.randn(30, 20), None),
        (torch.zeros(3), None),
        (torch.tensor(0.0), None),
        (torch.zeros(0, 99), None),
    ],
)
def test_the_cheapest_layout_is_taken(weight, mask, tmp_path):
    done = sparse_of(tmp_path, w=weight)

    assert layouts(done.paths[0]) == ({} if mask is None else {"w": mask})
    same_bits(prunetool.load_sparse(done.paths[0]), {"w": weight})


def test_channels_and_groups_are_stored_without_waste(tmp_path):
    channels = without(torch.randn(64, 500), slice(0, 32))
    done = sparse_of(tmp_path, w=channels)
    with safe_open(done.paths[0], framework="pt") as file:
        assert torch.equal(file.get_tensor("w.values"), channels[32:].reshape(-1))
        assert file.get_tensor("w.bits").tolist() == [0] * 4 + [255] * 4

    groups = n_of_m(64, 64, 2, 4)
    done = sparse_of(tmp_path, w=groups)
    with safe_open(done.paths[0], framework="pt") as file:
        assert torch.equal(file.get_tensor("w.values"), groups[groups != 0])
        assert file.get_tensor("w.bits").numel() == 64 * 64 / 8


def test_the_size_at_90_percent(tmp_path):
    weights = {"a": random(1000, 500), "b": random(128, 128, 3, 3), "bias": torch.randn(1000)}
    done = sparse_of(tmp_path, **weights)

    dense = sum(it.nbytes for it in weights.values())
    assert done.sizes.dense == dense
    assert done.output_bytes <= 0.133 * dense
    assert 0.114 * dense < done.sizes.limit < 0.131 * dense < done.output_bytes


@pytest.mark.parametrize(
    ("kept", "group", "dtype", "share", "limit"),
    [
        # bits of values, and of places, of one element: (kept * width + log2 C) / group / width
        (2, 4, torch.bfloat16, 0.57, (32 + 2.58497) / 64),
        (4, 8, torch.bfloat16, 0.57, (64 + 6.12929) / 128),
        (1, 4, torch.float32, 0.283, (32 + 2) / 128),
    ],
)
def test_the_size_of_groups(kept, group, dtype, share, limit, tmp_path):
    weight = n_of_m(512, 256, kept, group).to(dtype)
    done = sparse_of(tmp_path, w=weight)

    assert done.output_bytes <= share * weight.nbytes
    assert done.sizes.limit == pytest.approx(limit * weight.nbytes, abs=2)
    same_bits(prunetool.load_sparse(done.paths[0]), {"w": weight})


def test_a_tensor_of_several_pieces(tmp_path):
    shape = (3, PIECE // 2 + 5)
    weights = {"elements": random(*shape), "channels": without(torch.randn(shape), 1)}
    weights["columns"] = without(torch.randn(shape), (slice(None), slice(0, 999_999, 3)))

    done = sparse_of(tmp_path, **weights)

    assert layouts(done.paths[0]) == {
        "elements": list(shape),
        "channels": [3, 1],
        "columns": [1, shape[1]],
    }
    same_bits(prunetool.load_sparse(done.paths[0]), weights)


def test_parts_are_read_in_any_order(tmp_path):
    weight = random(3 * PIECE + 100)
    done = sparse_of(tmp_path, w=weight)

    tensor = open_checkpoint(done.paths[0]).tensors["w"]
    for start, stop in [
        (2 * PIECE + 7, 2 * PIECE + 99),
        (5, 5),
        (PIECE - 3, 2 * PIECE + 3),
        (0, weight.numel()),
        (weight.numel() - 1, weight.numel()),
    ]:
        assert torch.equal(tensor.flat(start, stop), weight[start:stop])


def test_tied_names_come_back_as_one_tensor(tmp_path):
    weight = random(40, 30)
    done = sparse_of(tmp_path, w=weight, head=weight)

    loaded = prunetool.load_sparse(done.paths[0])
    assert done.tensors == 1
    assert loaded["w"] is loaded["head"]
    assert torch.equal(loaded["w"], weight)


def test_names_that_look_like_stored_ones(tmp_path):
    weights = {
        "a": random(40, 30),
        "a.bits": random(40, 30, seed=1),
        "b": random(40, 30, seed=2),
        "b.values": torch.ones(2),
    }
    done = sparse_of(tmp_path, **weights)

    assert layouts(done.paths[0]) == {"a.bits": [40, 30]}
    same_bits(prunetool.load_sparse(done.paths[0]), weights)


def test_shards_keep_bits_and_values_together(tmp_path):
    weights = {f"w{seed}": random(50, 40, seed=seed) for seed in range(4)}
    done = export(made(tmp_path, **weights), sparse=True, largest_shard=2500)

    index = json.loads(done.paths[-1].read_text())
    assert index["weight_map"] == {
        f"w{seed}": f"a.sparse-0000{1 + seed // 2}-of-00002.safetensors" for seed in range(4)
    }
    same_bits(prunetool.load_sparse(done.paths[-1]), weights)


def test_conversion_comes_before_the_choice(tmp_path):
    weight = torch.full((40, 30), 1e-9)
    weight[0] = 1
    checkpoint = made(tmp_path, w=weight)

    done = export(checkpoint, sparse=True, selection=Selection(dtype=torch.float16))

    assert layouts(done.paths[0]) == {"w": [40, 1]}
    same_bits(prunetool.load_sparse(done.paths[0]), {"w": weight.half()})


def test_progress_counts_both_passes(tmp_path):
    checkpoint = made(tmp_path, w=random(40, 30))
    seen = []
    export(checkpoint, sparse=True, advance=seen.append)
    assert sum(seen) == bytes_to_go_through(checkpoint, sparse=True) == 2 * 4800


def test_same_bytes_in_every_process(tmp_path):
    weights = {"a": random(40, 30), "b": random(40, 30, seed=1), "c": torch.ones(3)}
    expected = sparse_of(tmp_path, **weights).paths[0].read_bytes()
    code = """
import sys
from pathlib import Path
from prunetool.checkpoints.export import export
from prunetool.checkpoints.reader import open_checkpoint
export(open_checkpoint(Path(sys.argv[1])), Path(sys.argv[2]), sparse=True)
"""
    for number in (1, 2):
        target = tmp_path / f"{number}.safetensors"
        subprocess.run(
            [sys.executable, "-c", code, str(tmp_path / "a.ckpt"), str(target)],
            check=True,
            env={**os.environ, "PYTHONHASHSEED": str(number)},
        )
        assert target.read_bytes() == expected


def test_what_is_no_sparse_file(tmp_path):
    checkpoint = made(tmp_path, w=torch.ones(2))
    export(checkpoint)

    with pytest.raises(CheckpointError, match="expected what 'prunetool export --format sparse'"):
        prunetool.load_sparse(tmp_path / "a.safetensors")
    with pytest.raises(CheckpointError, match="no such file"):
        prunetool.load_sparse(str(tmp_path / "none.safetensors"))
    with pytest.raises(OutputError, match="exists already"):
        export(checkpoint, tmp_path / "a.safetensors", sparse=True)


def readme_snippet():
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), flags=re.S)
    return next((block for block in blocks if "def read_sparse" in block), None)


def test_the_reader_in_the_readme_needs_numpy_only(tmp_path):
    snippet = readme_snippet()
    assert snippet is not None, "README.md has no block with def read_sparse"
    code = [line for line in snippet.splitlines() if line.strip() and line[0] != "#"]
    assert len(code) <= 12
    weights = {f"{dtype}": random(40, 30).to(dtype) for dtype in FLOATS}
    weights |= {"channels": without(torch.randn(16, 8, 3, 3), slice(2, 9)), "dense": torch.ones(7)}
    weights |= {"zeros": torch.zeros(99, 99), "on": torch.rand(99, 99) > 0.9}
    weights |= {"f8": random(40, 30).to(torch.float8_e4m3fn), "n": torch.tensor(3)}
    done = sparse_of(tmp_path, **weights)
    code = f"""
import sys
{snippet}
for name, values in read_sparse({str(done.paths[0])!r}).items():
    print(name, *values.shape, values.tobytes().hex(), sep="|")
print(sorted({{"prunetool", "torch", "safetensors"}} & set(sys.modules)))
"""
    ran = subprocess.run(
        [sys.executable, "-I", "-c", code], capture_output=True, text=True, cwd=tmp_path
    )

    assert ran.stdout.splitlines()[-1:] == ["[]"], ran.stderr
    expected = {
        "|".join([name, *map(str, it.shape), bits(it).numpy().tobytes().hex()])
        for name, it in prunetool.load_sparse(done.paths[0]).items()
    }
    assert set(ran.stdout.splitlines()[:-1]) == expected
