"""Checkpoints made by hand: what is in them is in view of the test."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from prunetool.pruning.bits import pack_bits


def mask_state(**masks: Tensor) -> dict[str, Any]:
    """The state that prunetool's callback leaves; dots of names are written as two underscores."""
    packed = {
        name.replace("__", "."): {"shape": list(mask.shape), "bits": pack_bits(mask.bool())}
        for name, mask in masks.items()
    }
    return {"prunetool": 1, "masks": packed, "callbacks": [{"done": 3}], "early": {}}


def save_lightning(path: Path, weights: dict[str, Any], **content: Any) -> Path:
    """A minimal Lightning checkpoint with ``weights`` as its state_dict."""
    minimum = {"pytorch-lightning_version": "2.6.6", "hyper_parameters": {}, "epoch": 3}
    torch.save({**minimum, "state_dict": weights, **content}, path)
    return path


def save_masked(path: Path) -> Path:
    """A prunetool checkpoint: 4 of 6 elements masked, 2 of them not zero underneath; bias, buffer.

    ``head.weight`` is tied to ``fc.weight``; the bias happens to hold a zero.
    """
    weight = torch.tensor([[1.0, 2.0, 0.0], [0.0, 5.0, 6.0]])
    kept = torch.tensor([[1, 0, 0], [0, 0, 1]])
    weights = {
        "fc.weight": weight,
        "fc.bias": torch.tensor([0.0, 1.0]),
        "norm.running_mean": torch.zeros(2),
        "head.weight": weight,
        "blocks[0].weight": torch.ones(2, 2),
    }
    return save_lightning(
        path,
        weights,
        callbacks={"ModelPruning": mask_state(fc__weight=kept), "Other": {"n": 1}},
        optimizer_states=[{"state": {0: {"momentum_buffer": torch.ones(2, 3)}}}],
        lr_schedulers=[],
        loops={},
        prunetool={
            "schema": 1,
            "version": "0.1.0",
            "parameters": ["fc.weight", "fc.bias", "head.weight", "blocks[0].weight"],
        },
    )


FOLDED_WEIGHT = torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.0, 6.0]])
