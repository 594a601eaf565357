"""Zeroing what an optimizer remembers of pruned elements.

Momentum left on a pruned element would move it at the next step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.optim import LBFGS, Optimizer

from prunetool.pruning.masks import MaskSet

# LBFGS adds a pair (y, s) to its history only above this curvature y·s.
_LEAST_CURVATURE = 1e-10


def zero_state(
    masks: MaskSet, optimizer: Optimizer, name_of: Callable[[Tensor], str | None]
) -> None:
    """Zero the optimizer's state of pruned elements.

    Args:
        masks: that say which.
        optimizer: torch's, not a wrapper of it.
        name_of: gives the name of a parameter's mask; None if it has none.
    """
    if isinstance(optimizer, LBFGS):
        _zero_history(masks, optimizer, name_of)
        return
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            name = name_of(parameter)
            if name is not None:
                zero_state_of(masks, name, parameter, optimizer)


def zero_state_of(masks: MaskSet, name: str, parameter: Tensor, optimizer: Optimizer) -> None:
    """Zero the per-element state of one parameter; state of another shape is not per element."""
    for key, value in optimizer.state.get(parameter, {}).items():
        # A step counter has the shape of a scalar parameter.
        if key != "step" and isinstance(value, Tensor) and value.shape == parameter.shape:
            masks.zero_(name, value)


def _zero_history(
    masks: MaskSet, optimizer: LBFGS, name_of: Callable[[Tensor], str | None]
) -> None:
    """Zero pruned elements in LBFGS's vectors, each of which holds all parameters end to end.

    The curvature of a pair of its history is an inner product of the two: it is formed anew from
    what is left of them, and a pair that LBFGS would not have taken so is dropped.
    """
    parameters = optimizer.param_groups[0]["params"]
    state = optimizer.state.get(parameters[0], {})
    if state.get("d") is None:
        return  # no step yet
    for vector in (state["d"], state["prev_flat_grad"], *state["old_dirs"], *state["old_stps"]):
        for name, piece in _pieces(vector, parameters, name_of):
            masks.zero_(name, piece)
    _form_curvature(state)


def _pieces(
    vector: Tensor, parameters: list[Tensor], name_of: Callable[[Tensor], str | None]
) -> Iterator[tuple[str, Tensor]]:
    offset = 0
    for parameter in parameters:
        size = parameter.numel() * (2 if parameter.is_complex() else 1)
        name = name_of(parameter)
        if name is not None:
            yield name, vector[offset : offset + size].view(parameter.shape)
        offset += size


def _form_curvature(state: dict[str, Any]) -> None:
    with torch.no_grad():
        pairs = [
            (y, s, product)
            for y, s in zip(state["old_dirs"], state["old_stps"], strict=True)
            if (product := y.dot(s)) > _LEAST_CURVATURE
        ]
    # In place: these lists are the optimizer's own.
    state["old_dirs"][:] = [y for y, _, _ in pairs]
    state["old_stps"][:] = [s for _, s, _ in pairs]
    state["ro"][:] = [1.0 / product for _, _, product in pairs]
    if pairs:
        y, _, product = pairs[-1]
        state["H_diag"] = product / y.dot(y)
    else:
        state["H_diag"] = 1
