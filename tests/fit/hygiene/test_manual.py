"""Manual optimization: the user calls backward, clips and steps, with one optimizer or several."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hygiene import ByHand, Watching, assert_same, masked_from_the_start, random_masks, weights_of
from tiny import Tiny, fit
from torch import Tensor, nn

NAMES = ["conv.weight", "hidden.weight", "out.weight"]


class Manual(Tiny):
    """Steps by hand; clips first where asked to, and perhaps with its own code."""

    def __init__(self, *, wrapped: bool, clip: str | None = None, every: int = 1) -> None:
        super().__init__("adamw")
        self.automatic_optimization = False
        self.wrapped, self.clip, self.every = wrapped, clip, every

    def training_step(self, batch: Any, index: int) -> None:
        optimizer = self.optimizers(use_pl_optimizer=self.wrapped)
        self.manual_backward(super().training_step(batch, index))
        if (index + 1) % self.every:
            return
        if self.clip == "lightning":
            self.clip_gradients(optimizer, 0.05, "norm")
        elif self.clip == "torch":
            nn.utils.clip_grad_norm_(self.parameters(), 0.05)
        optimizer.step()
        optimizer.zero_grad()


@pytest.mark.parametrize("every", [1, 2])
@pytest.mark.parametrize("clip", [None, "lightning", "torch"])
@pytest.mark.parametrize("wrapped", [True, False])
def test_one_optimizer(wrapped, clip, every):
    """Clipping measures what is kept: a norm with pruned elements in it scales differently."""
    torch.manual_seed(3)
    model = Manual(wrapped=wrapped, clip=clip, every=every)
    kept = random_masks(model, NAMES)
    watching = Watching(kept)
    fit(model, masked_from_the_start(kept, model), watching, epochs=2, validate=False)
    torch.manual_seed(3)
    reference = Manual(wrapped=wrapped, clip=clip, every=every)
    fit(reference, ByHand(kept), epochs=2, validate=False)
    assert_same(weights_of(model), weights_of(reference))
    assert watching.looks > 2 * 5 * len(NAMES)


class Adversaries(Tiny):
    """A generator and a critic; the critic's loss reaches the generator's weights too."""

    def __init__(self, *, wrapped: bool, noisy: bool = False) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.wrapped, self.noisy = wrapped, noisy
        self.maker = nn.Linear(7, 64)

    def training_step(self, batch: Any, index: int) -> None:
        make, judge = self.optimizers(use_pl_optimizer=self.wrapped)
        noise = batch[0].flatten(1)[:, :7]
        made = self.maker(noise).view(-1, 1, 8, 8)
        self.manual_backward(self(made).square().mean() - self(batch[0]).mean())
        if self.noisy:
            for parameter in self.parameters():
                if parameter.grad is not None:
                    parameter.grad.add_(0.1)
        judge.step()
        judge.zero_grad()
        make.zero_grad()
        made = self.maker(noise).view(-1, 1, 8, 8)
        self.manual_backward(-self(made).mean())
        make.step()
        judge.zero_grad()

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        critic = [p for name, p in self.named_parameters() if not name.startswith("maker")]
        return [
            torch.optim.Adam(self.maker.parameters(), lr=1e-2, betas=(0.5, 0.9)),
            torch.optim.RMSprop(critic, lr=1e-3, momentum=0.5),
        ]


@pytest.mark.parametrize("wrapped", [True, False])
def test_several_optimizers(wrapped):
    names = [*NAMES, "maker.weight"]
    torch.manual_seed(3)
    model = Adversaries(wrapped=wrapped)
    kept = random_masks(model, names)
    fit(model, masked_from_the_start(kept, model), Watching(kept), epochs=2, validate=False)
    torch.manual_seed(3)
    reference = Adversaries(wrapped=wrapped)
    fit(reference, ByHand(kept), epochs=2, validate=False)
    assert_same(weights_of(model), weights_of(reference))
    assert not torch.equal(model.maker.weight, Adversaries(wrapped=True).maker.weight)


def test_gradients_changed_by_hand_before_the_step():
    torch.manual_seed(3)
    model = Adversaries(wrapped=False, noisy=True)
    kept = random_masks(model, NAMES)
    watching = Watching(kept)
    fit(model, masked_from_the_start(kept, model), watching, epochs=2, validate=False)
    assert watching.looks == 2 * 5 * 3 * len(NAMES)


def test_a_raw_backward_without_lightning():
    """No hook of Lightning's runs: the optimizer's own hook must do."""

    class Raw(Manual):
        def manual_backward(self, loss: Tensor) -> None:
            loss.backward()

    torch.manual_seed(3)
    model = Raw(wrapped=False)
    kept = random_masks(model, NAMES)
    fit(model, masked_from_the_start(kept, model), Watching(kept), epochs=2, validate=False)
    torch.manual_seed(3)
    reference = Raw(wrapped=False)
    fit(reference, ByHand(kept), epochs=2, validate=False)
    assert_same(weights_of(model), weights_of(reference))
