"""Compiled models: the parameters are the plain model's, and so are the masks."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hygiene import ByHand, Watching, assert_same, masked_from_the_start, random_masks, weights_of
from lightning.pytorch.callbacks import ModelCheckpoint
from tiny import Tiny, batches, fit, trainer
from torch import Tensor, nn

from prunetool import ModelPruning

# Lightning and the compiler look at `.grad` wherever they find a tensor.
pytestmark = pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf")

NAMES = ["conv.weight", "hidden.weight", "out.weight"]
BACKENDS = ["eager", "aot_eager"]


class Quiet(Tiny):
    """Logs nothing: the compiler of torch 2.13 fails on Lightning's ``self.log``."""

    def training_step(self, batch: Any, _index: int) -> Tensor:
        return nn.functional.cross_entropy(self(batch[0]), batch[1])

    def validation_step(self, batch: Any, _index: int) -> None:
        self(batch[0])


def quiet() -> Quiet:
    torch.manual_seed(3)
    return Quiet("adamw")


@pytest.fixture(autouse=True)
def _fresh_compiler():
    torch.compiler.reset()
    yield
    torch.compiler.reset()


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_whole_model(backend, tmp_path):
    model = quiet()
    kept = random_masks(model, NAMES)
    watching = Watching(kept)
    keeper = ModelCheckpoint(dirpath=tmp_path)
    run = trainer(
        masked_from_the_start(kept, model), watching, keeper, epochs=2, enable_checkpointing=True
    )
    run.fit(torch.compile(model, backend=backend), batches(), batches())
    reference = quiet()
    fit(reference, ByHand(kept), epochs=2)
    assert_same(weights_of(model), weights_of(reference))
    assert watching.looks == 2 * 2 * 5 * 3
    assert watching.checkpoints == 2 * 3


class Inner(Tiny):
    """Compiles one layer: its parameters are called ``hidden._orig_mod.weight`` and so on."""

    def __init__(self, backend: str) -> None:
        super().__init__()
        self.hidden = torch.compile(self.hidden, backend=backend)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_compiled_layer(backend, tmp_path):
    torch.manual_seed(3)
    model = Inner(backend)
    name = "hidden._orig_mod.weight"
    kept = random_masks(model, [name])
    watching = Watching(kept)
    keeper = ModelCheckpoint(dirpath=tmp_path)
    pruning = masked_from_the_start(kept, model)
    fit(model, pruning, watching, keeper, epochs=2, enable_checkpointing=True)
    torch.manual_seed(3)
    reference = Inner(backend)
    fit(reference, ByHand(kept), epochs=2)
    assert_same(weights_of(model), weights_of(reference))
    assert watching.checkpoints == 2


def test_default_targets_of_a_compiled_layer_are_found_and_pruned():
    torch.manual_seed(3)
    model = Inner("eager")
    pruning = ModelPruning(
        "l1_unstructured", default_targets="matrices", sparsity=0.5, schedule="one-shot"
    )
    fit(model, pruning, epochs=2)
    assert pruning.target_elements == 54 + 216 * 20 + 100
    assert pruning.pruned_elements == sum(
        int((p == 0).sum()) for p in model.parameters() if p.dim() > 1
    )
