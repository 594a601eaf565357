"""The models of the corpus that need nothing but torch."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def images() -> Tensor:
    """Give the batch that every model of the corpus is tried with, shape (3, 1, 8, 8)."""
    return torch.randn(3, 1, 8, 8, generator=torch.Generator().manual_seed(5))


class Plain(nn.Module):
    """Convolution, normalisation, two matrices: every kind of tensor that matters."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3)
        self.norm = nn.BatchNorm2d(4)
        self.hidden = nn.Linear(144, 8)
        self.out = nn.Linear(8, 3)

    def forward(self, inputs: Tensor) -> Tensor:
        features = self.norm(torch.relu(self.conv(inputs))).flatten(1)
        return self.out(torch.relu(self.hidden(features)))


class Tied(nn.Module):
    """One matrix under two names, as in language models."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(64, 8)
        self.hidden = nn.Linear(8, 8)
        self.head = nn.Linear(8, 64, bias=False)
        self.head.weight = self.embed.weight

    def forward(self, inputs: Tensor) -> Tensor:
        tokens = inputs.flatten(1).abs().mul(10).long() % 64
        return self.head(torch.relu(self.hidden(self.embed(tokens))))


class Masked(nn.Module):
    """A user's own buffers with names like those of masks, which mean nothing to a pruner."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden = nn.Linear(64, 8)
        self.register_buffer("attention_mask", torch.ones(8, 8).tril().bool())
        self.register_buffer("pad_mask", torch.tensor([[1, 0, 2]]))

    def forward(self, inputs: Tensor) -> Tensor:
        return self.hidden(inputs.flatten(1)) @ self.attention_mask.float()
