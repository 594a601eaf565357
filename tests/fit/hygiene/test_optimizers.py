"""Every optimizer of torch: nothing moves under a mask, and nothing else is disturbed."""

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
from lightning.pytorch.callbacks import ModelCheckpoint
from tiny import Tiny, fit, seeded
from torch import optim

from prunetool import ModelPruning

DECAY = {"weight_decay": 1e-2}
ADAM = {"lr": 1e-2, **DECAY}
CASES: dict[str, tuple[type, dict[str, Any]]] = {
    "sgd": (optim.SGD, {"lr": 0.1}),
    "sgd momentum decay": (optim.SGD, {"lr": 0.1, "momentum": 0.9, **DECAY}),
    "sgd nesterov": (optim.SGD, {"lr": 0.1, "momentum": 0.9, "nesterov": True, **DECAY}),
    "sgd dampening": (optim.SGD, {"lr": 0.1, "momentum": 0.9, "dampening": 0.5}),
    "sgd maximize": (optim.SGD, {"lr": 1e-3, "momentum": 0.9, "maximize": True, **DECAY}),
    "sgd foreach": (optim.SGD, {"lr": 0.1, "momentum": 0.9, "foreach": True, **DECAY}),
    "sgd fused": (optim.SGD, {"lr": 0.1, "momentum": 0.9, "fused": True, **DECAY}),
    "adam": (optim.Adam, ADAM),
    "adam amsgrad": (optim.Adam, {**ADAM, "amsgrad": True}),
    "adam maximize": (optim.Adam, {**ADAM, "maximize": True}),
    "adam foreach": (optim.Adam, {**ADAM, "foreach": True}),
    "adam fused": (optim.Adam, {**ADAM, "fused": True, "amsgrad": True}),
    "adamw": (optim.AdamW, ADAM),
    "adamw amsgrad foreach": (optim.AdamW, {**ADAM, "amsgrad": True, "foreach": True}),
    "adamw fused": (optim.AdamW, {**ADAM, "fused": True}),
    "adamw strong decay": (optim.AdamW, {"lr": 0.1, "weight_decay": 15.0}),
    "nadam": (optim.NAdam, ADAM),
    "nadam decoupled foreach": (
        optim.NAdam,
        {**ADAM, "decoupled_weight_decay": True, "foreach": True},
    ),
    "radam": (optim.RAdam, {"lr": 1e-2, "betas": (0.9, 0.7), **DECAY}),
    "radam foreach": (optim.RAdam, {"lr": 1e-2, "betas": (0.9, 0.99), "foreach": True}),
    "rmsprop": (optim.RMSprop, {"lr": 1e-3, **DECAY}),
    "rmsprop centered": (optim.RMSprop, {"lr": 1e-3, "centered": True, "momentum": 0.9}),
    "rmsprop foreach": (optim.RMSprop, {"lr": 1e-3, "momentum": 0.9, "foreach": True, **DECAY}),
    "adagrad": (optim.Adagrad, {"lr": 1e-2, **DECAY}),
    "adagrad start": (optim.Adagrad, {"lr": 1e-2, "initial_accumulator_value": 0.1}),
    "adagrad fused": (optim.Adagrad, {"lr": 1e-2, "fused": True}),
    "adagrad foreach": (optim.Adagrad, {"lr": 1e-2, "foreach": True, "maximize": True}),
    "adadelta": (optim.Adadelta, {**DECAY}),
    "adadelta foreach": (optim.Adadelta, {"foreach": True}),
    "asgd": (optim.ASGD, {"lr": 0.1, "lambd": 0.1, "t0": 3.0, **DECAY}),
    "asgd foreach": (optim.ASGD, {"lr": 0.1, "t0": 3.0, "foreach": True}),
    "adamax": (optim.Adamax, ADAM),
    "adamax foreach": (optim.Adamax, {**ADAM, "foreach": True}),
    "rprop": (optim.Rprop, {"lr": 1e-2}),
    "rprop foreach": (optim.Rprop, {"lr": 1e-2, "foreach": True}),
    "adafactor": (optim.Adafactor, ADAM),
}


def test_every_class_of_torch_is_here() -> None:
    public = {kind for kind in vars(optim).values() if isinstance(kind, type)}
    classes = {k for k in public if issubclass(k, optim.Optimizer) and k is not optim.Optimizer}
    elsewhere = {optim.Muon, optim.LBFGS, optim.SparseAdam}  # each has a file of its own
    assert classes - elsewhere == {kind for kind, _ in CASES.values()}


def model_with(case: str) -> Tiny:
    model = seeded()
    kind, options = CASES[case]
    model.configure_optimizers = lambda: kind(model.parameters(), **options)
    return model


NAMES = ["conv.weight", "hidden.weight", "hidden.bias", "out.weight"]


@pytest.mark.parametrize("case", CASES)
def test_masks_from_the_start(case, tmp_path):
    model = model_with(case)
    kept = random_masks(model, NAMES)
    watching = Watching(kept)
    keeper = ModelCheckpoint(dirpath=tmp_path, save_top_k=-1)
    pruning = masked_from_the_start(kept, model)
    fit(model, pruning, watching, keeper, epochs=3, enable_checkpointing=True)
    reference = model_with(case)
    fit(reference, ByHand(kept), epochs=3)
    assert_same(weights_of(model), weights_of(reference))
    assert all(weight.isfinite().all() for weight in weights_of(model).values())
    assert watching.looks == 2 * 3 * 5 * len(NAMES)
    assert watching.checkpoints == 3 * len(NAMES)


@pytest.mark.parametrize("case", CASES)
def test_masks_in_the_middle(case):
    """State that has built up by then is zeroed with the weights."""
    model = model_with(case)
    kept: dict[str, torch.Tensor] = {}
    watching = Watching(kept)

    class NotingMasks(ModelPruning):
        def apply_pruning(self, amount):
            super().apply_pruning(amount)
            kept.update({name: model.get_parameter(name) != 0 for name in NAMES[1:]})

    pruning = NotingMasks(
        "l1_unstructured",
        [(model.hidden, "weight"), (model.hidden, "bias"), (model.out, "weight")],
        amount=0.6,
        apply_pruning=lambda epoch: epoch == 0,
        **NO_TICKET,
    )
    fit(model, pruning, watching, epochs=3)
    reference = model_with(case)
    fit(reference, ByHand(kept, epoch=0), epochs=3)
    assert_same(weights_of(model), weights_of(reference))
    assert sum(int((~mask).sum()) for mask in kept.values()) == round(0.6 * 4440)
    assert watching.looks == 2 * 2 * 5 * 3
