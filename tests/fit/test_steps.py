"""The claims of fit/steps.py, on the optimizers themselves: no masking after the step here."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn, optim

from prunetool.fit.steps import EVERYTHING, NOTHING, WEIGHTS, passes_after

SHAPE = (6, 7)
PRUNED = torch.rand(SHAPE, generator=torch.Generator().manual_seed(0)) < 0.5

# Every option that changes the arithmetic of a class that is trusted to leave zeros alone.
DECAY = {"weight_decay": 0.3}
AVERAGE = [{}, DECAY, {"maximize": True, **DECAY}, {"lr": torch.tensor(0.01), "foreach": False}]
PATHS = [{}, {"foreach": True}, {"differentiable": True}]
FUSED = [*PATHS, {"fused": True}]
ADAM = [*AVERAGE, {"amsgrad": True}, {"betas": (0.5, 0.6), "eps": 1e-30}, {"lr": 1e3, **DECAY}]
TRUSTED: dict[type, tuple[list[dict[str, Any]], list[dict[str, Any]]]] = {
    optim.SGD: (
        [
            *AVERAGE,
            {"momentum": 0.9, **DECAY},
            {"momentum": 0.9, "dampening": 0.5},
            {"momentum": 0.9, "nesterov": True, **DECAY},
            {"lr": 10.0, "weight_decay": 3.0},
        ],
        FUSED,
    ),
    optim.ASGD: ([*AVERAGE[:3], {"lambd": 0.3, "t0": 2, "alpha": 0.5}], PATHS),
    optim.Adam: ([*ADAM, {"decoupled_weight_decay": True, **DECAY}], FUSED),
    optim.AdamW: (ADAM, FUSED),
    optim.NAdam: ([*AVERAGE[:3], {"decoupled_weight_decay": True, **DECAY}], PATHS),
    optim.RAdam: (
        [*AVERAGE[:3], {"betas": (0.9, 0.7), "decoupled_weight_decay": True, **DECAY}],
        PATHS,
    ),
    optim.RMSprop: (
        [*AVERAGE[:3], {"centered": True}, {"centered": True, "momentum": 0.9}, {"momentum": 0.9}],
        PATHS,
    ),
    optim.Adagrad: ([*AVERAGE[:3], {"lr_decay": 0.1}, {"initial_accumulator_value": 1.0}], FUSED),
    optim.Adadelta: ([*AVERAGE[:3], {"rho": 0.5}], PATHS),
}
CASES = [
    pytest.param(kind, {**options, **path}, id=f"{kind.__name__}-{options}-{path}")
    for kind, (variants, paths) in TRUSTED.items()
    for options in variants
    for path in paths
    if not ("foreach" in options and path)
]


def masked_steps(optimizer: optim.Optimizer, weight: nn.Parameter, *, steps: int) -> None:
    """Step with masked gradients alone; at first with whole ones, so that there is state."""
    generator = torch.Generator().manual_seed(1)
    for step in range(3 + steps):
        grad = torch.randn(SHAPE, generator=generator, dtype=weight.dtype)
        weight.grad = grad if step < 3 else grad.masked_fill(PRUNED, 0)
        optimizer.step()
        if step == 2:
            zero(optimizer, weight)


@torch.no_grad()
def zero(optimizer: optim.Optimizer, weight: nn.Parameter) -> None:
    weight.masked_fill_(PRUNED, 0)
    for value in optimizer.state[weight].values():
        if value.shape == SHAPE:
            value.masked_fill_(PRUNED, 0)


def left(optimizer: optim.Optimizer, weight: nn.Parameter) -> list[str]:
    """Name what is not exactly zero on pruned elements."""
    values = {"weight": weight.detach(), **optimizer.state[weight]}
    shaped = {k: v for k, v in values.items() if isinstance(v, torch.Tensor) and v.shape == SHAPE}
    return [name for name, value in shaped.items() if value[PRUNED].ne(0).any()]


def parameter(dtype: torch.dtype = torch.float32) -> nn.Parameter:
    return nn.Parameter(torch.randn(SHAPE, generator=torch.Generator().manual_seed(2)).to(dtype))


@pytest.mark.parametrize(("kind", "options"), CASES)
def test_trusted_optimizers_leave_zeros(kind, options):
    weight = parameter()
    optimizer = kind([weight], **options)
    assert passes_after(optimizer, optimizer.param_groups[0], weight.dtype) == NOTHING
    if options.get("differentiable"):
        weight.requires_grad_(False)  # such a step runs with gradients on, not on leaves
    masked_steps(optimizer, weight, steps=20)
    assert left(optimizer, weight) == []
    assert weight[~PRUNED].ne(0).all()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
@pytest.mark.parametrize("kind", TRUSTED)
def test_in_other_dtypes_too(kind, dtype):
    weight = parameter(dtype)
    optimizer = kind([weight], weight_decay=0.1)
    assert passes_after(optimizer, optimizer.param_groups[0], weight.dtype) == NOTHING
    masked_steps(optimizer, weight, steps=10)
    assert left(optimizer, weight) == []


@pytest.mark.parametrize(
    ("kind", "options", "dtype", "leaves"),
    [
        # 0 / 0; and 1e-8 is 0 in half precision.
        (optim.Adam, {"eps": 0.0}, torch.float32, ["weight"]),
        (optim.AdamW, {"eps": 1e-8}, torch.float16, ["weight"]),
        (
            optim.RMSprop,
            {"eps": 0.0, "momentum": 0.9},
            torch.float32,
            ["weight", "momentum_buffer"],
        ),
        (optim.Adadelta, {"eps": 0.0}, torch.float32, ["weight", "acc_delta"]),
        (optim.Rprop, {}, torch.float32, ["step_size"]),
        (optim.Adamax, {}, torch.float32, ["exp_inf"]),
    ],
)
def test_what_needs_every_pass_does_need_it(kind, options, dtype, leaves):
    weight = parameter(dtype)
    optimizer = kind([weight], **options)
    assert passes_after(optimizer, optimizer.param_groups[0], dtype) == EVERYTHING
    masked_steps(optimizer, weight, steps=2)
    assert left(optimizer, weight) == leaves


def test_muon_moves_pruned_weights_but_not_their_momentum():
    weight = parameter()
    optimizer = optim.Muon([weight])
    assert passes_after(optimizer, optimizer.param_groups[0], weight.dtype) == WEIGHTS
    masked_steps(optimizer, weight, steps=2)
    assert left(optimizer, weight) == ["weight"]


@pytest.mark.parametrize("kind", [optim.Adafactor, optim.LBFGS])
def test_sums_over_all_elements_need_the_weights_masked(kind):
    optimizer = kind([parameter()])
    assert passes_after(optimizer, optimizer.param_groups[0], torch.float32) == WEIGHTS


def test_a_subclass_may_do_anything():
    class Noisy(optim.SGD):
        pass

    optimizer = Noisy([parameter()])
    assert passes_after(optimizer, optimizer.param_groups[0], torch.float32) == EVERYTHING
