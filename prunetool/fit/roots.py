"""Keeping zeros out of an optimizer's square roots, while it takes them.

On a CPU torch leaves square roots to MKL, whose ``sqrt`` of zero is ten times as slow as that of
another number: 129 ms against 13 for 25 M float32 elements on one core (Xeon, torch 2.13). Adam and
its kin take the root of the average square of each gradient, which is zero where an element is
pruned: AdamW's step takes twice as long on a pruned model, and with ``torch.nn.utils.prune`` it
does. So the averages of pruned elements are raised to 2^-100 right before the step (22 ms) and are
zero again right after it (13 ms). What they divide is zero; others are not touched by a bit.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, optim
from torch.optim import Optimizer

from prunetool.pruning.masks import MaskSet

_SQUARES: dict[type[Optimizer], str] = {
    optim.Adagrad: "sum",
    optim.Adam: "exp_avg_sq",
    optim.AdamW: "exp_avg_sq",
    optim.NAdam: "exp_avg_sq",
    optim.RAdam: "exp_avg_sq",
    optim.RMSprop: "square_avg",
}
# AMSGrad keeps the largest average beside it, and so takes over what is raised.
_LARGEST = "max_exp_avg_sq"
_RAISED = 2.0**-100
# Fewer zeros are not worth three passes.
_LEAST_SHARE = 0.05


def raise_zeros(
    masks: MaskSet,
    name: str,
    parameter: Tensor,
    optimizer: Optimizer,
    options: Mapping[str, Any],
) -> None:
    """Before a step: raise the squares of pruned elements, which are zero, where that pays.

    Args:
        masks: by name.
        name: of the parameter's mask.
        parameter: about to be stepped.
        optimizer: torch's, not a wrapper of it.
        options: the parameter group's.
    """
    squares = _squares(optimizer, parameter)
    if (
        squares is not None
        and parameter.grad is not None
        and not parameter.grad.is_sparse
        and not options.get("fused")  # fused kernels take roots without MKL
        and squares.dtype in (torch.float32, torch.float64)
        and torch.backends.mkl.is_available()  # type: ignore[no-untyped-call]
        and masks.count(name) >= _LEAST_SHARE * parameter.numel()
    ):
        masks.raise_zeros_(name, squares, _RAISED)


def restore_zeros(masks: MaskSet, name: str, parameter: Tensor, optimizer: Optimizer) -> None:
    """After a step: undo :func:`raise_zeros`."""
    squares = _squares(optimizer, parameter)
    if squares is None or not masks.in_words(name):
        return
    masks.zero_(name, squares)
    largest = optimizer.state[parameter].get(_LARGEST)
    if largest is not None:
        masks.zero_(name, largest)


def _squares(optimizer: Optimizer, parameter: Tensor) -> Tensor | None:
    key = _SQUARES.get(type(optimizer))
    return optimizer.state.get(parameter, {}).get(key) if key else None
