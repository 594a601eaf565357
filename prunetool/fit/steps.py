"""Which passes over the masked tensors an optimizer needs after its step: often none.

Before a step the gradients of pruned elements are zero, and their optimizer state has been zero
since they were pruned. Of torch's own classes most then leave a pruned weight at exactly zero: what
they add to it is made of its own gradient, state and value alone. Each class was read (torch 2.13)
and is tested with all its options. A subclass may do anything and counts as unknown.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import optim
from torch.optim import Optimizer


class Passes(NamedTuple):
    """What has to be zeroed again after a step."""

    weights: bool
    state: bool


NOTHING = Passes(weights=False, state=False)
WEIGHTS = Passes(weights=True, state=False)
EVERYTHING = Passes(weights=True, state=True)

# Sums and products of the element's own gradient, momentum and weight: 0 in, 0 out.
_LINEAR: tuple[type[Optimizer], ...] = (optim.SGD, optim.ASGD)

# The same divided by sqrt(average of squares) + eps: 0 / eps. Without an eps that the parameter's
# dtype can hold that is 0 / 0, and the NaN stays in the momentum (RMSprop) or acc_delta (Adadelta).
_DIVIDED_BY_EPS: frozenset[type[Optimizer]] = frozenset(
    {
        optim.Adadelta,
        optim.Adagrad,
        optim.Adam,
        optim.AdamW,
        optim.NAdam,
        optim.RAdam,
        optim.RMSprop,
        optim.SparseAdam,
    }
)

# The elements of a tensor act on each other: Muon's orthogonalisation moves every weight, LBFGS's
# direction and Adafactor's factors are formed by sums over all. What they keep for each element
# (Muon's momentum, LBFGS's vectors, Adafactor's variance of a vector) is linear in gradients and
# stays zero.
_MIXING: frozenset[type[Optimizer]] = frozenset({optim.Muon, optim.LBFGS, optim.Adafactor})


def passes_after(optimizer: Optimizer, options: Mapping[str, Any], dtype: torch.dtype) -> Passes:
    """Say what a step of ``optimizer`` may bring back on pruned elements.

    Rprop and Adamax are among the rest: a zero gradient leaves the weight, but Rprop raises its
    step sizes to their least value, and Adamax its norm to eps.

    Args:
        optimizer: torch's, not a wrapper of it.
        options: the parameter group's.
        dtype: the parameter's.
    """
    kind = type(optimizer)
    if kind in _LINEAR:
        return NOTHING
    if kind in _DIVIDED_BY_EPS and options["eps"] >= torch.finfo(dtype).tiny:
        return NOTHING
    if kind in _MIXING:
        return WEIGHTS
    return EVERYTHING
