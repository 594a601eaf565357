"""Parameters that are frozen, in no optimizer, or join one late; fits that follow each other."""

from __future__ import annotations

import warnings

import pytest
import torch
from hygiene import ByHand, Watching, assert_same, masked_from_the_start, random_masks, weights_of
from lightning.pytorch.callbacks import BackboneFinetuning, ModelCheckpoint
from tiny import Tiny, fit, seeded
from torch import nn

NAMES = ["conv.weight", "hidden.weight", "out.weight"]


class Partly(Tiny):
    """Some parameters are frozen, or left out of the optimizer."""

    def __init__(self, how: str) -> None:
        super().__init__("adamw")
        self.how = how
        if how == "frozen":
            self.hidden.requires_grad_(False)

    def configure_optimizers(self):
        trained = [p for n, p in self.named_parameters() if "hidden" not in n]
        everything = list(self.parameters())
        return torch.optim.AdamW(everything if self.how == "frozen" else trained, lr=1e-2)


@pytest.mark.parametrize("how", ["frozen", "absent"])
def test_what_is_not_trained_is_masked_all_the_same(how, tmp_path):
    torch.manual_seed(3)
    model = Partly(how)
    before = weights_of(model)["hidden.weight"]
    kept = random_masks(model, NAMES)
    watching = Watching(kept)
    keeper = ModelCheckpoint(dirpath=tmp_path)
    pruning = masked_from_the_start(kept, model)
    fit(model, pruning, watching, keeper, epochs=2, enable_checkpointing=True)
    torch.manual_seed(3)
    reference = Partly(how)
    fit(reference, ByHand(kept), epochs=2)
    assert_same(weights_of(model), weights_of(reference))
    assert torch.equal(model.hidden.weight, before.masked_fill(~kept["hidden.weight"], 0))
    assert watching.checkpoints == 2 * 3


class Backboned(Tiny):
    """As BackboneFinetuning wants it: what is frozen at first is in ``backbone``."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = nn.Sequential(self.conv)

    def configure_optimizers(self):
        trained = [p for p in self.parameters() if p.requires_grad]
        return torch.optim.AdamW(trained, lr=1e-2)


def finetuned(*callbacks):
    torch.manual_seed(3)
    model = Backboned()
    finetuning = BackboneFinetuning(unfreeze_backbone_at_epoch=1, backbone_initial_lr=1e-3)
    with warnings.catch_warnings():
        run = fit(model, finetuning, *[make(model) for make in callbacks], epochs=3)
    return model, run


def test_unfrozen_in_the_middle_of_a_fit():
    kept = random_masks(Backboned(), NAMES)
    watching = Watching(kept)
    model, run = finetuned(lambda m: masked_from_the_start(kept, m), lambda _: watching)

    class Following(ByHand):
        def on_train_start(self, trainer, pl_module):
            pl_module.conv.weight.requires_grad_(True)  # a hook on the gradient needs that
            super().on_train_start(trainer, pl_module)
            pl_module.conv.weight.requires_grad_(False)

    reference, _ = finetuned(lambda _: Following(kept))
    assert_same(weights_of(model), weights_of(reference))
    assert len(run.optimizers[0].param_groups) == 2
    assert run.optimizers[0].state[model.conv.weight]["step"] == 2 * 5


def test_an_optimizer_made_in_the_middle_of_a_fit():
    class Restarting(Tiny):
        def on_train_epoch_start(self):
            if self.current_epoch == 1:
                trained = [p for n, p in self.named_parameters() if p.dim() == 2]
                self.trainer.strategy.optimizers = [torch.optim.Muon(trained, lr=0.1)]

    torch.manual_seed(3)
    model = Restarting()
    kept = random_masks(model, NAMES)
    watching = Watching(kept)
    fit(model, masked_from_the_start(kept, model), watching, epochs=3)
    assert watching.looks == (5 * 2 + 2 * 5) * 3


def test_optimizer_state_loaded_in_the_middle_of_a_fit():
    class Loading(Tiny):
        def on_train_epoch_start(self):
            optimizer = self.trainer.optimizers[0]
            if self.current_epoch == 1:
                state = optimizer.state_dict()
                for entry in state["state"].values():
                    entry["exp_avg"] = torch.ones_like(entry["exp_avg"])
                optimizer.load_state_dict(state)

    torch.manual_seed(3)
    model = Loading("adamw")
    kept = random_masks(model, NAMES)
    fit(model, masked_from_the_start(kept, model), Watching(kept), epochs=2)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_a_second_fit_in_another_dtype_and_with_other_parameters(dtype):
    """Between fits a model may be cast and its parameters replaced; the masks go by name."""
    model = seeded("adamw")
    kept = random_masks(model, NAMES)
    pruning = masked_from_the_start(kept, model)
    fit(model, pruning, Watching(kept), epochs=1)
    precision = {torch.float64: "64-true", torch.bfloat16: "bf16-true"}
    model = model.to(dtype)
    model.out.weight = nn.Parameter(torch.ones_like(model.out.weight))
    run = fit(model, pruning, Watching(kept), epochs=1, precision=precision.get(dtype, "32-true"))
    assert run.optimizers[0].state[model.out.weight]["exp_avg"].dtype == dtype
    assert torch.equal(model.out.weight != 0, kept["out.weight"])
    assert pruning.pruned_elements == sum(int((~mask).sum()) for mask in kept.values())


def test_two_fits_are_the_reference_twice():
    model, reference = seeded("adamw"), seeded("adamw")
    kept = random_masks(model, NAMES)
    pruning = masked_from_the_start(kept, model)
    for _ in range(2):
        fit(model, pruning, Watching(kept), epochs=2)
        fit(reference, ByHand(kept), epochs=2)
        assert_same(weights_of(model), weights_of(reference))
