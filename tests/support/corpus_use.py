"""Finalized files, used as people do who never heard of prunetool."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from corpus_plain import Masked, Plain, Tied, images
from corpus_sample import plain_output
from torch import Tensor, nn
from torch.nn.modules.utils import consume_prefix_in_state_dict_if_present


def outputs_of(user: str, path: Path) -> Tensor:
    """Load a file and give the model's outputs for the batch.

    Args:
        user: what loads it; ``lightning`` and so on.
    """
    model = _model(user, path).eval()
    with torch.no_grad():
        return plain_output(model(batch_of(user)))


def batch_of(user: str) -> Any:
    """Give the inputs for it."""
    match user:
        case "bert" | "gpt2":
            return torch.arange(24).reshape(2, 12) % 50
        case "fsdp2":
            return images().reshape(-1, 8)[:, :5]
    return images()


def _model(user: str, path: Path) -> nn.Module:
    match user:
        case "lightning":
            from corpus_net import Net

            return Net.load_from_checkpoint(path, weights_only=False)
        case "cli":
            from corpus_cli import Chosen

            return Chosen.load_from_checkpoint(path, weights_only=False)
        case "fsdp2":
            from sharded_net import Net as Sharded

            return Sharded.load_from_checkpoint(path, weights_only=False)
        case "tiny":
            from tiny import Tiny

            return Tiny.load_from_checkpoint(path, weights_only=False)
        case "plain":
            return _loaded(Plain(), path)
        case "tied":
            return _loaded(Tied(), path)
        case "masked":
            return _loaded(Masked(), path)
        case "bert" | "gpt2":
            from corpus_hf import model_of

            return _loaded(model_of(user), path)
    raise ValueError(user)


def _loaded(model: nn.Module, path: Path) -> nn.Module:
    content = torch.load(path, weights_only=False)  # torch's own reader knows no protocol 4
    weights = content.get("state_dict", content)
    for prefix in ("module.", "_orig_mod."):
        consume_prefix_in_state_dict_if_present(weights, prefix)
    model.load_state_dict(weights)
    return model
