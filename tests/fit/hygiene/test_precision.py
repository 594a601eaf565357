"""Mixed and low precision, and steps that a gradient scaler skips."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hygiene import ByHand, Watching, assert_same, masked_from_the_start, random_masks, weights_of
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.plugins import MixedPrecision
from tiny import Tiny, fit
from torch import Tensor

NAMES = ["conv.weight", "hidden.weight", "out.weight"]


class Overflowing(Tiny):
    """Its loss overflows on some batches."""

    def __init__(self, optimizer: str = "adamw", *, on: tuple[int, ...] = ()) -> None:
        super().__init__(optimizer)
        self.on = on

    def training_step(self, batch: Any, index: int) -> Tensor:
        loss = super().training_step(batch, index)
        return loss * torch.inf if index in self.on else loss


def seeded(*arguments: Any, **options: Any) -> Overflowing:
    torch.manual_seed(3)
    return Overflowing(*arguments, **options)


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
@pytest.mark.parametrize("precision", ["bf16-mixed", "bf16-true", "64-true"])
def test_bfloat16_and_double(precision, optimizer, tmp_path):
    model = seeded(optimizer)
    kept = random_masks(model, NAMES)
    watching = Watching(kept)
    keeper = ModelCheckpoint(dirpath=tmp_path)
    fit(
        model,
        masked_from_the_start(kept, model),
        watching,
        keeper,
        epochs=2,
        precision=precision,
        enable_checkpointing=True,
        gradient_clip_val=0.5,
    )
    reference = seeded(optimizer)
    fit(reference, ByHand(kept), epochs=2, precision=precision, gradient_clip_val=0.5)
    assert_same(weights_of(model), weights_of(reference))
    assert watching.looks == 2 * 2 * 5 * 3


class HalfOnACpu(MixedPrecision):
    """Lightning's own fp16 plugin, with torch's scaler for the CPU."""

    def __init__(self) -> None:
        scaler = torch.amp.GradScaler("cpu", init_scale=2.0**10, growth_interval=3)
        super().__init__("16-mixed", "cpu", scaler)


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_a_scaler_that_skips_steps(optimizer):
    """Every second batch overflows: gradients are inf and NaN, and no step is made."""
    model = seeded(optimizer, on=(1, 3))
    kept = random_masks(model, NAMES)
    watching = Watching(kept)
    settings = {"epochs": 2, "gradient_clip_val": 0.5, "validate": False}
    pruning = masked_from_the_start(kept, model)
    fit(model, pruning, watching, plugins=HalfOnACpu(), **settings)
    reference = seeded(optimizer, on=(1, 3))
    fit(reference, ByHand(kept), plugins=HalfOnACpu(), **settings)
    assert_same(weights_of(model), weights_of(reference))
    # Two of five steps an epoch were skipped: a look after each batch, and one after each step.
    assert watching.looks == 2 * (5 + 3) * 3
    assert all(weight.isfinite().all() for weight in weights_of(model).values())


@pytest.mark.parametrize("wrapped", [True, False])
def test_a_scaler_of_the_users_own(wrapped):
    class Scaling(Overflowing):
        def __init__(self) -> None:
            super().__init__(on=(0, 3))
            self.automatic_optimization = False
            self.scaler = torch.amp.GradScaler("cpu", init_scale=2.0**12)

        def training_step(self, batch: Any, index: int) -> None:
            optimizer = self.optimizers(use_pl_optimizer=wrapped)
            optimizer = getattr(optimizer, "optimizer", optimizer)
            optimizer.zero_grad()
            self.manual_backward(self.scaler.scale(super().training_step(batch, index)))
            self.scaler.unscale_(optimizer)
            torch.nn.utils.clip_grad_norm_(self.parameters(), 0.5)
            self.scaler.step(optimizer)
            self.scaler.update()

    torch.manual_seed(3)
    model = Scaling()
    kept = random_masks(model, NAMES)
    watching = Watching(kept)
    fit(model, masked_from_the_start(kept, model), watching, epochs=2, validate=False)
    torch.manual_seed(3)
    reference = Scaling()
    fit(reference, ByHand(kept), epochs=2, validate=False)
    assert_same(weights_of(model), weights_of(reference))
    assert watching.looks == 2 * (5 + 3) * 3
