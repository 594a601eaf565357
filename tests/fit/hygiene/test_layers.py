"""Layers that keep weights under other names, in lists, or in common."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hygiene import (
    NO_TICKET,
    ByHand,
    Watching,
    assert_same,
    masked_from_the_start,
    random_masks,
    weights_of,
)
from tiny import Tiny, fit
from torch import Tensor, nn

from prunetool import ModelPruning


class Sequence(Tiny):
    """Reads an image row by row."""

    def __init__(self, kind: str) -> None:
        super().__init__("adamw")
        self.kind = kind
        if kind == "attention":
            self.reader = nn.MultiheadAttention(8, 2, batch_first=True)
        else:
            self.reader = getattr(nn, kind)(
                8, 8, num_layers=2, bidirectional=True, batch_first=True
            )
            self.reader.flatten_parameters()
        self.head = nn.Linear(8 if kind == "attention" else 16, 5)

    def forward(self, images: Tensor) -> Tensor:
        rows = images.squeeze(1)
        if self.kind == "attention":
            return self.head(self.reader(rows, rows, rows, need_weights=False)[0].mean(1))
        return self.head(self.reader(rows)[0].mean(1))


NAMES = {
    "LSTM": ["reader.weight_ih_l0", "reader.weight_hh_l1_reverse", "reader.bias_ih_l0"],
    "GRU": ["reader.weight_ih_l1", "reader.weight_hh_l0"],
    "attention": ["reader.in_proj_weight", "reader.in_proj_bias", "reader.out_proj.weight"],
}


def sequence(kind: str) -> Sequence:
    torch.manual_seed(3)
    return Sequence(kind)


@pytest.mark.parametrize("kind", NAMES)
def test_recurrent_layers_and_attention(kind):
    model = sequence(kind)
    kept = random_masks(model, NAMES[kind])
    watching = Watching(kept)
    fit(model, masked_from_the_start(kept, model), watching, epochs=2)
    reference = sequence(kind)
    fit(reference, ByHand(kept), epochs=2)
    assert_same(weights_of(model), weights_of(reference))
    assert watching.looks == 2 * 2 * 5 * len(kept)
    # The weights that the layer reads in evaluation are these.
    model.eval(), reference.eval()
    images = torch.randn(2, 1, 8, 8)
    assert torch.equal(model(images), reference(images))


@pytest.mark.parametrize("kind", NAMES)
def test_their_matrices_are_among_the_targets_of_the_command_line(kind):
    model = sequence(kind)
    pruning = ModelPruning(
        "l1_unstructured",
        default_targets="matrices",
        include=("reader.*",),
        sparsity=0.5,
        schedule="one-shot",
        **NO_TICKET,
    )
    fit(model, pruning, epochs=2)
    matrices = [p for n, p in model.named_parameters() if n.startswith("reader") and p.dim() > 1]
    zeros = sum(int((p == 0).sum()) for p in matrices)
    assert zeros == round(0.5 * sum(p.numel() for p in matrices))


class Tied(Tiny):
    """An embedding and the layer that reads it back share a tensor; two others share memory."""

    def __init__(self, *, transposed: bool) -> None:
        super().__init__()
        self.encode = nn.Linear(64, 12, bias=False)
        self.decode = nn.Linear(12, 64, bias=False)
        self.again = nn.Linear(64, 12, bias=False)
        if transposed:
            self.decode.weight = nn.Parameter(self.encode.weight.t())
        else:
            self.again.weight = self.encode.weight

    def training_step(self, batch: Any, _index: int) -> Tensor:
        pixels = batch[0].flatten(1)
        code = torch.tanh(self.encode(pixels)) + 0.1 * self.again(pixels)
        return (self.decode(code) - pixels).square().mean()


def test_a_tied_tensor_is_one_entry():
    torch.manual_seed(3)
    model = Tied(transposed=False)
    kept = random_masks(model, ["encode.weight"])
    watching = Watching(kept)
    pruning = masked_from_the_start(kept, model)
    fit(model, pruning, watching, epochs=2, validate=False)
    torch.manual_seed(3)
    reference = Tied(transposed=False)
    fit(reference, ByHand(kept), epochs=2, validate=False)
    assert_same(weights_of(model), weights_of(reference))
    assert pruning.target_elements == 64 * 12
    assert model.again.weight is model.encode.weight


def test_a_transposed_view_cannot_bring_pruned_elements_back():
    """The view has a gradient and momentum of its own, which move the memory they share."""
    torch.manual_seed(3)
    model = Tied(transposed=True)
    kept = random_masks(model, ["encode.weight"])
    watching = Watching(kept)
    fit(model, masked_from_the_start(kept, model), watching, epochs=2, validate=False)
    assert watching.looks == 2 * 2 * 5
    assert model.decode.weight.data_ptr() == model.encode.weight.data_ptr()
    assert torch.equal(model.decode.weight.t() != 0, kept["encode.weight"])
