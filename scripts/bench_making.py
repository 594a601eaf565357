"""Large checkpoints for ``bench_checkpoints.py``, made with little memory.

A transformer of the size asked for: an embedding of a sixth of the bytes, and blocks of which
every second one has zeros in 90 % of its elements. Values are drawn once, and repeated.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

SHARDS = 4
SPARSITY = 0.9
_POOL = 2**22  # elements that are drawn
_BLOCKS = 16  # at least; a block's matrices have 12 times the square of the width


@dataclass(frozen=True)
class Planned:
    """A tensor to make."""

    name: str
    shape: tuple[int, ...]
    sparse: bool

    @property
    def elements(self) -> int:
        return math.prod(self.shape)


def plan(elements: int) -> list[Planned]:
    """Give the tensors of a model of about so many elements."""
    width = max(2 ** int(math.log2(math.sqrt(elements / 12 / _BLOCKS))), 8)
    tensors = [Planned("embedding.weight", (max(elements // 6 // width, 1), width), False)]
    left = elements - tensors[0].elements
    for number in range(max(left // (12 * width**2), 1)):
        shapes = {
            "norm.weight": (width,),
            "attention.qkv.weight": (3 * width, width),
            "attention.out.weight": (width, width),
            "mlp.up.weight": (4 * width, width),
            "mlp.down.weight": (width, 4 * width),
        }
        tensors += [
            Planned(f"blocks.{number}.{name}", shape, bool(number % 2 and len(shape) > 1))
            for name, shape in shapes.items()
        ]
    return tensors


def draw(dtype: torch.dtype) -> dict[bool, Tensor]:
    """Draw values to repeat: False for dense ones, True for those with zeros."""
    torch.manual_seed(0)
    dense = torch.randn(_POOL)
    dense[dense == 0] = 1
    sparse = dense.clone()
    sparse[torch.rand(_POOL) < SPARSITY] = 0
    return {False: dense.to(dtype), True: sparse.to(dtype)}


def repeat(values: Tensor, count: int) -> Iterator[Any]:
    """Yield ``count`` elements, repeating ``values``, as buffers of bytes."""
    for start in range(0, count, values.numel()):
        yield values[: min(values.numel(), count - start)].view(torch.uint8).numpy().data


def make_safetensors(folder: Path, bytes_: int, dtype: torch.dtype) -> int:
    """Make a folder of shards with an index, and give the bytes of its tensors."""
    folder.mkdir(parents=True)
    tensors = plan(bytes_ // dtype.itemsize)
    total = sum(it.elements for it in tensors) * dtype.itemsize
    values = draw(dtype)
    weight_map: dict[str, str] = {}
    for number in range(SHARDS):
        file = f"model-{number + 1:05}-of-{SHARDS:05}.safetensors"
        here: list[Planned] = []
        while tensors and (
            number == SHARDS - 1 or _bytes(here, dtype) + _bytes(tensors[:1], dtype) <= total / 3
        ):
            here.append(tensors.pop(0))
        _write_shard(folder / file, here, values, dtype)
        weight_map |= {it.name: file for it in here}
    index = {"metadata": {"total_size": total}, "weight_map": weight_map}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index), encoding="utf-8")
    return total


def _bytes(tensors: list[Planned], dtype: torch.dtype) -> int:
    return sum(it.elements for it in tensors) * dtype.itemsize


def _write_shard(
    path: Path, tensors: list[Planned], values: dict[bool, Tensor], dtype: torch.dtype
) -> None:
    header, end = {}, 0
    for it in tensors:
        start, end = end, end + it.elements * dtype.itemsize
        name = {torch.float32: "F32", torch.bfloat16: "BF16"}[dtype]
        header[it.name] = {"dtype": name, "shape": it.shape, "data_offsets": [start, end]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for it in tensors:
            file.writelines(repeat(values[it.sparse], it.elements))


def make_lightning(path: Path, bytes_: int) -> int:
    """Make a Lightning checkpoint with the state of AdamW, and give the bytes of its weights.

    Of the matrices a quarter has a mask as ``torch.nn.utils.prune`` keeps it, another quarter
    one of prunetool's. Its tensors are mapped from small files, so nothing of it is in memory.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    tensors = plan(bytes_ // 4)
    pool = _Pool(path.parent, max(it.elements for it in tensors))
    weights: dict[str, Tensor] = {}
    packed: dict[str, Any] = {}
    for number, it in enumerate(tensors):
        values = pool.map("dense", it.shape)
        if it.sparse and number % 2:
            weights |= {f"{it.name}_orig": values, f"{it.name}_mask": pool.map("mask", it.shape)}
            continue
        weights[it.name] = values
        if it.sparse:
            bits = pool.map("bits", (it.elements // 8,), torch.uint8)
            packed[it.name] = {"shape": list(it.shape), "bits": bits}
    state = {
        number: {
            "step": torch.tensor(1.0),
            "exp_avg": pool.map("dense", it.shape),
            "exp_avg_sq": pool.map("dense", it.shape),
        }
        for number, it in enumerate(tensors)
    }
    content = {
        "epoch": 1,
        "global_step": 1,
        "pytorch-lightning_version": "2.6.6",
        "hyper_parameters": {},
        "state_dict": weights,
        "loops": {},
        "callbacks": {
            "ModelPruning": {"prunetool": 1, "masks": packed, "callbacks": [], "early": {}}
        },
        "optimizer_states": [
            {"state": state, "param_groups": [{"lr": 1e-3, "params": list(state)}]}
        ],
        "lr_schedulers": [],
    }
    torch.save(content, path)
    pool.remove()
    return sum(it.elements for it in tensors) * 4


class _Pool:
    """Files of values, as long as the largest tensor; each tensor is a mapping of its own."""

    def __init__(self, folder: Path, elements: int) -> None:
        kept = (torch.rand(_POOL) >= SPARSITY).float()
        bits = torch.from_numpy(np.packbits(kept.numpy().astype(bool), bitorder="little"))
        values = {"dense": draw(torch.float32)[False], "mask": kept, "bits": bits}
        self._files = {name: folder / f"pool-{name}" for name in values}
        for name, file in self._files.items():
            with file.open("wb") as opened:
                opened.writelines(repeat(values[name], elements))

    def map(self, name: str, shape: tuple[int, ...], dtype: torch.dtype = torch.float32) -> Tensor:
        size = math.prod(shape)
        flat = torch.from_file(str(self._files[name]), shared=False, size=size, dtype=dtype)
        return flat.reshape(shape)

    def remove(self) -> None:
        for file in self._files.values():
            file.unlink()


def make_plain(path: Path, bytes_: int) -> None:
    """Make a file of so many bytes, to be copied."""
    with path.open("wb") as file:
        file.writelines(repeat(draw(torch.float32)[False], bytes_ // 4))
