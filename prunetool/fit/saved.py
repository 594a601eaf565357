"""What pruning callbacks write into a checkpoint, and how it is read back.

``checkpoint["callbacks"]["ModelPruning"]`` holds the state; the key ``"prunetool"`` in it is the
mark by which it is found, whatever class wrote it::

    {"prunetool": 1, "masks": {NAME: {"shape": [...], "bits": uint8}}, "early": {NAME: tensor},
     "callbacks": [{"clock", "generator"}, ...]}    one for each pruning callback

In a sharded checkpoint the masks are the same, and what is as large as the weights lies beside
these (:mod:`prunetool.fit.sharded_state`).

``checkpoint["prunetool"]`` holds what stays true when the masks are gone: the schema, the version
that wrote it, which tensors of the state dict are parameters, and which of them are tied.

All of it is tensors, numbers, strings, lists and dicts: ``torch.load(weights_only=True)`` reads it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from prunetool._version import __version__
from prunetool.fit.layout import Found
from prunetool.pruning.masks import MaskSet, unpacked
from prunetool.pruning.shards import like, local

SCHEMA = 1
MARK = "prunetool"


def state_of(
    masks: MaskSet, early: Mapping[str, Tensor], callbacks: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """Put the shared state of all pruning callbacks together."""
    return {
        MARK: SCHEMA,
        "masks": masks.packed(),
        "early": dict(early),
        "callbacks": [dict(callback) for callback in callbacks],
    }


def masks_in(state: Mapping[str, Any]) -> Found:
    """Read the masks of a saved state.

    Raises:
        ValueError: if a newer prunetool wrote it, or a mask does not fit its shape.
    """
    if state[MARK] > SCHEMA:
        raise ValueError(
            f"the checkpoint's pruning state has schema {state[MARK]}, this is prunetool "
            f"{__version__}, which reads up to {SCHEMA}; upgrade prunetool"
        )
    return Found(masks=unpacked(state["masks"]))


def find_state(checkpoint: Mapping[str, Any]) -> dict[str, Any] | None:
    """Find the pruning state in a checkpoint, under whatever key it was saved."""
    for state in checkpoint.get("callbacks", {}).values():
        if isinstance(state, dict) and MARK in state:
            return state
    return None


def describe(checkpoint: dict[str, Any], model: nn.Module) -> None:
    """Note in ``checkpoint`` which tensors are parameters, and which names are one tensor's.

    Tied names cannot be told from a sharded checkpoint, in which no two tensors share memory.
    """
    first: dict[int, str] = {}
    names = list(model.named_parameters(remove_duplicate=False))
    of = {name: first.setdefault(id(parameter), name) for name, parameter in names}
    checkpoint.setdefault("prunetool", {}).update(
        schema=SCHEMA,
        version=__version__,
        parameters=list(of),
        tied={name: it for name, it in of.items() if name != it},
    )


def mask_state_dict(
    state_dict: Mapping[str, Tensor], pruned: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """Give a state dict whose pruned elements are zero; tensors that already obey are shared.

    Args:
        state_dict: not changed: its tensors are the live ones.
        pruned: bool tensors by key, True where pruned; of this process's part of a DTensor.
    """
    out = dict(state_dict)
    for key, where in pruned.items():
        tensor = out.get(key)
        if tensor is None or local(tensor).shape != where.shape:
            continue
        part = local(tensor)
        where = where.to(part.device)
        if bool(torch.logical_and(part != 0, where).any()):
            out[key] = like(tensor, part.masked_fill(where, 0))
    return out
