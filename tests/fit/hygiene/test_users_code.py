"""Code of the user's that changes weights or gradients between our hooks."""

from __future__ import annotations

from typing import Any

import lightning.pytorch as pl
import pytest
import torch
from hygiene import Watching, masked_from_the_start, random_masks
from lightning.pytorch.callbacks import LambdaCallback, ModelCheckpoint
from tiny import Tiny, fit, seeded
from torch import nn

NAMES = ["conv.weight", "hidden.weight", "out.weight"]


class AddsToGradients(pl.Callback):
    def on_before_optimizer_step(self, trainer: Any, pl_module: Any, optimizer: Any) -> None:
        add_to_gradients(pl_module)


def add_to_gradients(model: nn.Module) -> None:
    for parameter in model.parameters():
        parameter.grad.add_(0.01)


class InHook(Tiny):
    def on_before_optimizer_step(self, optimizer: Any) -> None:
        add_to_gradients(self)


class InClipping(Tiny):
    def configure_gradient_clipping(self, optimizer: Any, **_: Any) -> None:
        add_to_gradients(self)


class InStep(Tiny):
    def optimizer_step(self, epoch: int, index: int, optimizer: Any, closure: Any) -> None:
        def with_noise() -> Any:
            loss = closure()
            add_to_gradients(self)
            return loss

        optimizer.step(closure=with_noise)


LATER = {
    "hook of the module": (InHook, []),
    "clipping": (InClipping, []),
    "step": (InStep, []),
    "callback": (Tiny, [AddsToGradients()]),
    "lambda": (
        Tiny,
        [LambdaCallback(on_before_optimizer_step=lambda _, model, __: add_to_gradients(model))],
    ),
}


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
@pytest.mark.parametrize("where", LATER)
def test_gradients_changed_after_our_hook(where, optimizer):
    kind, callbacks = LATER[where]
    torch.manual_seed(3)
    model = kind(optimizer)
    kept = random_masks(model, NAMES)
    watching = Watching(kept)
    fit(model, masked_from_the_start(kept, model), watching, *callbacks, epochs=2)
    assert watching.looks == 2 * 2 * 5 * 3


class Weights(pl.Callback):
    """Sets every weight by hand after each batch, and looks when it should be zero again."""

    def __init__(self, kept: dict[str, torch.Tensor], *, hidden: bool) -> None:
        self.kept, self.hidden = kept, hidden
        self.seen: list[str] = []

    def on_train_batch_end(self, trainer: Any, pl_module: Any, *_: Any) -> None:
        with torch.no_grad():
            for parameter in pl_module.parameters():
                (parameter.data if self.hidden else parameter).clamp_(min=0.01)

    def on_after_backward(self, trainer: Any, pl_module: Any) -> None:
        if not self.hidden:  # what .data hides from torch is found at the end of the epoch
            self.look(pl_module, "forward")

    def on_validation_batch_start(self, trainer: Any, pl_module: Any, *_: Any) -> None:
        self.look(pl_module, "validation")

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        self.look(pl_module, "epoch")
        for name, kept in self.kept.items():
            state = trainer.optimizers[0].state[pl_module.get_parameter(name)]
            for key, value in state.items():
                assert value.shape != kept.shape or not value[~kept].any(), key

    def on_save_checkpoint(self, trainer: Any, pl_module: Any, checkpoint: dict) -> None:
        self.look(pl_module, "checkpoint")
        for name, kept in self.kept.items():
            assert not checkpoint["state_dict"][name][~kept].any()

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        self.look(pl_module, "end")

    def look(self, model: nn.Module, when: str) -> None:
        for name, kept in self.kept.items():
            assert not model.get_parameter(name).detach()[~kept].any(), f"{name} at {when}"
        self.seen.append(when)


@pytest.mark.parametrize("moments", [{"validation", "checkpoint"}, {"validation"}, set()])
@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
@pytest.mark.parametrize("hidden", [False, True])
def test_weights_changed_by_hand_between_steps(hidden, optimizer, moments, tmp_path):
    """Each moment that masks does so where no other has before it."""
    model = seeded(optimizer)
    kept = random_masks(model, NAMES)
    weights = Weights(kept, hidden=hidden)
    saving = "checkpoint" in moments
    keepers = [ModelCheckpoint(tmp_path, every_n_train_steps=1, save_top_k=-1)] if saving else []
    fit(
        model,
        masked_from_the_start(kept, model),
        weights,
        *keepers,
        epochs=2,
        enable_checkpointing=saving,
        validate="validation" in moments,
    )
    assert set(weights.seen) == moments | {"epoch", "end"} | (set() if hidden else {"forward"})
    assert weights.seen.count("checkpoint") == (2 * 5 if saving else 0)
    assert torch.equal(model.hidden.weight != 0, kept["hidden.weight"])


def test_an_override_that_only_looks_changes_nothing():
    class Logging(Tiny):
        def on_before_optimizer_step(self, optimizer: Any) -> None:
            self.norm_seen = float(self.hidden.weight.grad.norm())

    torch.manual_seed(3)
    model = Logging()
    kept = random_masks(model, NAMES)
    fit(model, masked_from_the_start(kept, model), epochs=2)
    torch.manual_seed(3)
    plain = Tiny()
    fit(plain, masked_from_the_start(kept, plain), epochs=2)
    assert model.norm_seen > 0
    for name, weight in model.state_dict().items():
        assert torch.equal(weight, plain.state_dict()[name])
