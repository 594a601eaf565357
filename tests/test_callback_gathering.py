"""Saliency and movement in real fits: what is gathered is what autograd said, step by step."""

from __future__ import annotations

from typing import Any

import lightning.pytorch as pl
import pytest
import torch
from tiny import Tiny, fit, seeded
from torch import Tensor

from prunetool import ModelPruning

NO_TICKET = {"use_lottery_ticket_hypothesis": False}
NAMES = ("conv.weight", "hidden.weight", "out.weight")


class Sums(pl.Callback):
    """Sums up weight times gradient by hand; events are copied when they happen."""

    def __init__(self, *, signed: bool) -> None:
        self.signed = signed
        self.sums: dict[str, Tensor] = {}

    def on_before_optimizer_step(self, trainer: Any, pl_module: Any, optimizer: Any) -> None:
        stepped = {id(p) for group in optimizer.param_groups for p in group["params"]}
        for name in NAMES:
            p = pl_module.get_parameter(name)
            if p.grad is None or id(p) not in stepped:
                continue
            product = (p.detach() * p.grad).double()
            term = -product if self.signed else product.abs()
            self.sums[name] = self.sums.get(name, torch.zeros_like(term)) + term


def lowest_of(sums: dict[str, Tensor], model: Tiny, kept: dict[str, Tensor], k: int) -> set[Any]:
    """Rank everything that is left by hand; what had no gradient goes last."""
    ranked = []
    for i, name in enumerate(NAMES):
        size = model.get_parameter(name).numel()
        scores = sums[name].flatten().tolist() if name in sums else [float("inf")] * size
        left = kept[name].flatten().tolist() if name in kept else [True] * size
        ranked += [(scores[u], i, u) for u in range(size) if left[u]]
    return {(NAMES[i], u) for _, i, u in sorted(ranked)[:k]}


def pruned_places(model: Tiny) -> set[Any]:
    return {
        (name, u)
        for name in NAMES
        for u in (model.get_parameter(name).flatten() == 0).nonzero().flatten().tolist()
    }


@pytest.mark.parametrize("criterion", ["saliency", "movement"])
def test_the_lowest_sums_of_the_gradients_go(criterion: str) -> None:
    model, noting = seeded(), Sums(signed=criterion == "movement")
    pruning = ModelPruning(
        parameters_to_prune=model.weights(), criterion=criterion, amount=500, **NO_TICKET
    )
    fit(model, noting, pruning, epochs=1)
    assert pruned_places(model) == lowest_of(noting.sums, model, {}, 500)


@pytest.mark.parametrize("criterion", ["saliency", "movement"])
def test_after_an_event_saliency_starts_anew_and_movement_goes_on(criterion: str) -> None:
    noting = Sums(signed=criterion == "movement")
    first: dict[str, Tensor] = {}

    class AfterTheFirst(pl.Callback):
        def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
            if trainer.current_epoch == 0:
                first.update(pruning.masks)
                if criterion == "saliency":
                    noting.sums.clear()

    model = seeded()
    pruning = ModelPruning(
        parameters_to_prune=model.weights(), criterion=criterion, amount=500, **NO_TICKET
    )
    fit(model, noting, pruning, AfterTheFirst(), epochs=2)
    gone = {
        (name, u) for name in NAMES for u in (~first[name].flatten()).nonzero().flatten().tolist()
    }
    assert len(gone) == 500
    assert pruned_places(model) == gone | lowest_of(noting.sums, model, first, 500)


class Partial(Tiny):
    """Trains all but one of its layers; the gradient of the other is there all the same."""

    def configure_optimizers(self) -> torch.optim.Optimizer:
        trained = [p for name, p in self.named_parameters() if not name.startswith("hidden")]
        return torch.optim.SGD(trained, lr=0.1)

    def on_before_zero_grad(self, optimizer: Any) -> None:
        self.hidden.zero_grad()


@pytest.mark.parametrize("criterion", ["saliency", "movement"])
def test_what_no_optimizer_steps_gathers_nothing_and_goes_last(criterion: str) -> None:
    pl.seed_everything(3, verbose=False)
    model, noting = Partial(), Sums(signed=criterion == "movement")
    pruning = ModelPruning(
        parameters_to_prune=model.weights(), criterion=criterion, amount=154 + 3, **NO_TICKET
    )
    with pytest.warns(UserWarning, match=r"nothing is left of conv\.weight, out\.weight; if that"):
        fit(model, noting, pruning, epochs=1)
    assert set(noting.sums) == {"conv.weight", "out.weight"}
    # All 54 and 100 that have scores, and then the first three of those that have none.
    everything = {("conv.weight", u) for u in range(54)} | {("out.weight", u) for u in range(100)}
    assert pruned_places(model) == everything | {("hidden.weight", u) for u in range(3)}


class TwoOptimizers(Tiny):
    """Manual optimization: the second optimizer steps twice as often as the first."""

    def __init__(self, *, wrapped: bool) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.wrapped = wrapped

    def configure_optimizers(self) -> Any:
        return [
            torch.optim.SGD([*self.conv.parameters(), *self.norm.parameters()], lr=0.1),
            torch.optim.SGD([*self.hidden.parameters(), *self.out.parameters()], lr=0.1),
        ]

    def training_step(self, batch: Any, index: int) -> None:
        first, second = self.optimizers(use_pl_optimizer=self.wrapped)
        for optimizer in (second, first, second):
            self.zero_grad()
            self.manual_backward(super().training_step(batch, index))
            optimizer.step()


@pytest.mark.parametrize("wrapped", [True, False])
def test_each_step_of_each_optimizer_counts_for_its_own_parameters(wrapped: bool) -> None:
    pl.seed_everything(3, verbose=False)
    model = TwoOptimizers(wrapped=wrapped)
    noting = Sums(signed=True)

    class Noting(pl.Callback):
        def on_train_start(self, trainer: Any, pl_module: Any) -> None:
            for optimizer in trainer.optimizers:
                optimizer.register_step_pre_hook(
                    lambda stepping, *_: noting.on_before_optimizer_step(
                        trainer, pl_module, stepping
                    )
                )

    pruning = ModelPruning(
        parameters_to_prune=model.weights(), criterion="movement", amount=500, **NO_TICKET
    )
    fit(model, Noting(), pruning, epochs=1)
    assert pruned_places(model) == lowest_of(noting.sums, model, {}, 500)
