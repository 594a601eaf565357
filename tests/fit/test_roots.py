"""Raising the zeros under square roots changes no result, and nothing of it is left."""

from __future__ import annotations

import pytest
import torch
from torch import nn, optim

from prunetool.fit.stepping import Stepping
from prunetool.pruning.masks import MaskSet

PRUNED = torch.rand(5, 40, generator=torch.Generator().manual_seed(0)) < 0.7


class Looking(MaskSet):
    """Notes the least square while a step is under way."""

    def __init__(self) -> None:
        super().__init__()
        self.least: list[float] = []

    def raise_zeros_(self, name, tensor, value):
        super().raise_zeros_(name, tensor, value)
        self.least.append(float(tensor.min()))


def trained(
    make, masks: MaskSet | None, dtype: torch.dtype
) -> tuple[nn.Parameter, optim.Optimizer]:
    generator = torch.Generator().manual_seed(1)
    start = torch.randn(PRUNED.shape, generator=generator).to(dtype)
    weight = nn.Parameter(start.masked_fill(PRUNED, 0))
    optimizer = make([weight])
    if masks is not None:
        masks.add("weight", weight)
        masks.prune("weight", PRUNED)
        stepping = Stepping(masks)
        stepping.know({"weight": weight}, entangled=())
        stepping.watch([optimizer], look_again=False)
    for _ in range(6):
        gradient = torch.randn(PRUNED.shape, generator=generator).to(dtype)
        # Some squares of kept elements are zero, denormal or huge as well.
        gradient[:, :3] = torch.tensor([0.0, 1e-21, 1e18], dtype=dtype)
        weight.grad = gradient.masked_fill(PRUNED, 0)
        optimizer.step()
    return weight, optimizer


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    "make",
    [
        lambda p: optim.AdamW(p, lr=0.01),
        lambda p: optim.Adam(p, lr=0.01, amsgrad=True, weight_decay=0.1),
        lambda p: optim.Adam(p, lr=0.01, foreach=True),
        lambda p: optim.NAdam(p, lr=0.01),
        lambda p: optim.RAdam(p, lr=0.01, betas=(0.9, 0.5)),
        lambda p: optim.RMSprop(p, lr=0.01, centered=True, momentum=0.9),
        lambda p: optim.Adagrad(p, lr=0.01),
    ],
)
def test_results_are_those_of_plain_steps(make, dtype):
    masks = Looking()
    weight, optimizer = trained(make, masks, dtype)
    plain, reference = trained(make, None, dtype)
    assert torch.equal(weight, plain)
    for key, value in optimizer.state[weight].items():
        assert torch.equal(value, reference.state[plain][key]), key
        if value.shape == PRUNED.shape:
            assert not value[PRUNED].any()
    # The state of most comes to be in the first step.
    assert len(masks.least) in (5, 6)


def test_no_zero_of_a_pruned_element_is_under_a_root():
    class Raised(Looking):
        def raise_zeros_(self, name, tensor, value):
            super().raise_zeros_(name, tensor, value)
            self.least[-1] = float(tensor[PRUNED].min())

    masks = Raised()
    trained(lambda p: optim.AdamW(p), masks, torch.float32)
    assert masks.least[1:] == [2.0**-100] * (len(masks.least) - 1)


@pytest.mark.parametrize(
    ("make", "dtype"),
    [
        (lambda p: optim.SGD(p, momentum=0.9), torch.float32),
        (lambda p: optim.AdamW(p, fused=True), torch.float32),
        (lambda p: optim.AdamW(p), torch.bfloat16),
    ],
)
def test_where_it_does_not_pay_nothing_is_raised(make, dtype):
    masks = Looking()
    trained(make, masks, dtype)
    assert masks.least == []
