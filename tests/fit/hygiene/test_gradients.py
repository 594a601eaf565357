"""Gradients that are accumulated, clipped, sparse, or of another layout; and Muon's."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hygiene import ByHand, Watching, assert_same, masked_from_the_start, random_masks, weights_of
from lightning.pytorch.callbacks import ModelCheckpoint
from tiny import Tiny, fit, seeded
from torch import Tensor, nn

NAMES = ["conv.weight", "hidden.weight", "out.weight"]


@pytest.mark.parametrize("algorithm", ["norm", "value"])
@pytest.mark.parametrize("accumulate", [2, 3])
@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_accumulation_with_clipping(optimizer, accumulate, algorithm):
    settings = {
        "epochs": 2,
        "accumulate_grad_batches": accumulate,
        "gradient_clip_val": 0.05,
        "gradient_clip_algorithm": algorithm,
    }
    model = seeded(optimizer)
    kept = random_masks(model, NAMES)
    watching = Watching(kept)
    fit(model, masked_from_the_start(kept, model), watching, **settings)
    reference = seeded(optimizer)
    fit(reference, ByHand(kept), **settings)
    assert_same(weights_of(model), weights_of(reference))
    steps = 3 if accumulate == 2 else 2  # the last of five batches is a step of its own
    assert watching.looks == 2 * (5 + steps) * 3


class Words(Tiny):
    """An embedding whose gradient is sparse, with an optimizer of its own."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind
        self.automatic_optimization = False
        self.words = nn.Embedding(30, 8, sparse=kind != "dense")
        self.read = nn.Linear(8, 5)

    def training_step(self, batch: Any, _index: int) -> None:
        # Some words come up more than once: their gradient has several entries.
        words = (batch[0].flatten(1)[:, :6].abs() * 7).long().clamp(max=29)
        loss = nn.functional.cross_entropy(self.read(self.words(words).mean(1)), batch[1])
        optimizers = self.optimizers()
        for optimizer in optimizers:
            optimizer.zero_grad()
        self.manual_backward(loss)
        if self.kind != "dense":
            assert self.words.weight.grad.is_sparse
        for optimizer in optimizers:
            optimizer.step()

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        make: dict[str, Any] = {
            "sgd": lambda p: torch.optim.SGD(p, lr=0.5),
            "momentum": lambda p: torch.optim.SGD(p, lr=0.5, momentum=0.9),
            "adagrad": lambda p: torch.optim.Adagrad(p, lr=0.1),
            "adam": lambda p: torch.optim.SparseAdam(p, lr=0.1),
            "maximize": lambda p: torch.optim.SparseAdam(p, lr=1e-3, maximize=True),
        }
        words = make[self.kind]([self.words.weight])
        return [words, torch.optim.AdamW(self.read.parameters(), lr=1e-2)]


class SparseByHand(ByHand):
    """Masks a sparse gradient by way of a dense one; what is not in it stays out."""

    def _begin(self, trainer: Any, model: Any) -> None:
        kept = self.kept["words.weight"]
        weight = model.words.weight
        with torch.no_grad():
            weight.masked_fill_(~kept, 0)

        def mask(grad: Tensor) -> Tensor:
            grad = grad.coalesce()
            values = grad.values() * kept[grad.indices()[0]]
            return torch.sparse_coo_tensor(grad.indices(), values, grad.shape)

        weight.register_hook(mask)
        for optimizer in trainer.optimizers:
            optimizer.register_step_post_hook(lambda *_: self._multiply(model))


# Adagrad and SparseAdam make sparse tensors themselves.
@pytest.mark.filterwarnings("ignore:Sparse invariant checks are implicitly disabled")
@pytest.mark.parametrize("kind", ["sgd", "momentum", "adagrad", "adam", "maximize"])
def test_sparse_gradients(kind, tmp_path):
    torch.manual_seed(3)
    model = Words(kind)
    before = model.words.weight.detach().clone()
    kept = random_masks(model, ["words.weight"])
    watching = Dense(kept)
    keeper = ModelCheckpoint(dirpath=tmp_path)
    pruning = masked_from_the_start(kept, model)
    fit(model, pruning, watching, keeper, epochs=2, validate=False, enable_checkpointing=True)
    torch.manual_seed(3)
    reference = Words(kind)
    fit(reference, SparseByHand({"words.weight": kept["words.weight"]}), epochs=2, validate=False)
    assert watching.looks == 2 * 5 * 3
    assert watching.checkpoints == 2
    moved = (model.words.weight != before) & kept["words.weight"]
    assert moved.any()
    for name, weight in weights_of(model).items():
        # A sum of several entries is formed in another order.
        torch.testing.assert_close(weight, reference.get_parameter(name).detach())


class Dense(Watching):
    """SGD's momentum of a sparse gradient is sparse: look at it as a dense one."""

    def look(self, trainer: Any, model: Any) -> None:
        for optimizer in trainer.optimizers:
            for name, kept in self.kept().items():
                for key, value in optimizer.state.get(model.get_parameter(name), {}).items():
                    if isinstance(value, Tensor) and value.shape == kept.shape:
                        assert not value.to_dense()[~kept].any(), f"{name}: {key} is left"
        states = [dict(optimizer.state) for optimizer in trainer.optimizers]
        for optimizer in trainer.optimizers:
            optimizer.state.clear()
        super().look(trainer, model)
        for optimizer, state in zip(trainer.optimizers, states, strict=True):
            optimizer.state.update(state)


class Orthogonal(Tiny):
    """Muon for the matrices, AdamW for the rest."""

    def __init__(self, nesterov: bool = True) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.nesterov = nesterov

    def training_step(self, batch: Any, index: int) -> None:
        loss = super().training_step(batch, index)
        optimizers = self.optimizers()
        for optimizer in optimizers:
            optimizer.zero_grad()
        self.manual_backward(loss)
        for optimizer in optimizers:
            optimizer.step()

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        matrices = [p for p in self.parameters() if p.dim() == 2]
        others = [p for p in self.parameters() if p.dim() != 2]
        return [
            torch.optim.Muon(matrices, lr=0.05, weight_decay=0.1, nesterov=self.nesterov),
            torch.optim.AdamW(others, lr=1e-2),
        ]


@pytest.mark.parametrize("nesterov", [True, False])
def test_muon_moves_every_weight_and_is_masked(nesterov):
    torch.manual_seed(3)
    model = Orthogonal(nesterov)
    kept = random_masks(model, NAMES)
    watching = Watching(kept)
    fit(model, masked_from_the_start(kept, model), watching, epochs=2, validate=False)
    torch.manual_seed(3)
    reference = Orthogonal(nesterov)
    fit(reference, ByHand(kept), epochs=2, validate=False)
    assert_same(weights_of(model), weights_of(reference))
    assert watching.looks == 2 * 5 * 3 * 3


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_channels_last(optimizer):
    """Parameter, gradient and state may each be laid out in another order."""
    models = [seeded(optimizer).to(memory_format=torch.channels_last) for _ in range(2)]
    model, reference = models
    kept = random_masks(model, NAMES)
    fit(model, masked_from_the_start(kept, model), Watching(kept), epochs=2)
    fit(reference, ByHand(kept), epochs=2)
    assert_same(weights_of(model), weights_of(reference))
    assert model.conv.weight.is_contiguous(memory_format=torch.channels_last)
