"""prunetool's own sparse files, with a description that is a lie."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import torch
from hostile_tools import Maker, honest
from safetensors.torch import save_file

_ROWS = 10**6


def _sparse(
    field: Any, ones: int, values: int, folder: Path, canary: Path, *, bits: int = 8
) -> Path:
    """A file of the honest weights and of a sparse ``x``.

    Args:
        field: what the metadata says; text as it is, anything else as JSON.
        ones: bits that are set, from the first on.
        values: how many are stored.
        bits: how many bytes of bits there are.
    """
    mask = torch.zeros(bits * 8, dtype=torch.bool)
    mask[:ones] = True
    packed = (mask.view(-1, 8).int() * (2 ** torch.arange(8))).sum(1).to(torch.uint8)
    tensors = {**honest(), "x.bits": packed, "x.values": torch.ones(values)}
    text = field if isinstance(field, str) else json.dumps(field)
    path = folder / "model.safetensors"
    save_file(tensors, path, {"format": "pt", "prunetool": "0.1.0", "sparse": text})
    return path


def _field(shape: Any, mask: Any, name: str = "x", version: Any = 1) -> dict[str, Any]:
    return {"version": version, "tensors": {name: {"shape": shape, "mask": mask}}}


SPARSE: dict[str, Maker] = {
    "sparse: bomb of rows": partial(
        _sparse, _field([_ROWS, 10**9], [_ROWS, 1]), 0, 0, bits=_ROWS // 8
    ),
    "sparse: bomb of a slice": partial(_sparse, _field([2**40, 64], [1, 64]), 0, 0),
    "sparse: overflow": partial(_sparse, _field([2**40, 2**40], [1, 1]), 0, 0),
    "sparse: more ones than values": partial(_sparse, _field([64], [64]), 20, 3),
    "sparse: more values than ones": partial(_sparse, _field([64], [64]), 3, 20),
    "sparse: more bits than elements": partial(_sparse, _field([60], [60]), 64, 64),
    "sparse: fewer bits": partial(_sparse, _field([1000], [1000]), 3, 3),
    "sparse: mask of another shape": partial(_sparse, _field([8, 8], [4, 16]), 3, 3),
    "sparse: negative shape": partial(_sparse, _field([-8, -8], [-8, -8]), 3, 3),
    "sparse: shape of text": partial(_sparse, _field("64", ["64"]), 3, 3),
    "sparse: shape of truth": partial(_sparse, _field([True, 64], [1, 64]), 3, 3),
    "sparse: many dimensions": partial(_sparse, _field([1] * 5000, [1] * 5000), 1, 1),
    "sparse: missing": partial(_sparse, _field([64], [64], name="y"), 3, 3),
    "sparse: a name of another": partial(_sparse, _field([64], [64], name="w"), 3, 3),
    "sparse: version": partial(_sparse, _field([64], [64], version=99), 3, 3),
    "sparse: list": partial(_sparse, {"version": 1, "tensors": [1, 2]}, 3, 3),
    "sparse: deep": partial(_sparse, "[" * 100_000 + "]" * 100_000, 3, 3),
    "sparse: no JSON": partial(_sparse, "{", 3, 3),
}
