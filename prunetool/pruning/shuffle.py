"""The mask-shuffling control: as many weights in every tensor, but others.

If a ticket trains no better than its own mask shuffled, what was found is how many weights each
tensor needs, not which (Frankle et al. 2021, arXiv 2009.08576).
"""

from __future__ import annotations

import torch
from torch import Tensor

from prunetool.pruning.patterns import Channels, NOfM, Pattern


def shuffled(
    pruned: Tensor, pattern: Pattern, *, input_dim: int, generator: torch.Generator
) -> Tensor:
    """Put what is pruned elsewhere at random: elements anywhere, channels whole, N:M in groups.

    Args:
        pruned: bool, True where pruned.
        pattern: what goes together; it holds afterwards where it held before.
        input_dim: the dimension that has the groups of N:M.
        generator: on the CPU.

    Returns:
        A new bool tensor of the same shape and with as many True, in each group of N:M too.
    """
    match pattern:
        case NOfM(m=m):
            groups = torch.unflatten(pruned, input_dim, (-1, m))
            order = torch.rand(groups.shape, generator=generator).argsort(dim=input_dim + 1)
            moved = groups.gather(input_dim + 1, order.to(pruned.device))
            return moved.flatten(input_dim, input_dim + 1)
        case Channels(dim=dim):
            order = torch.randperm(pruned.shape[dim], generator=generator)
            return pruned.index_select(dim, order.to(pruned.device))
        case _:
            order = torch.randperm(pruned.numel(), generator=generator)
            return pruned.reshape(-1)[order.to(pruned.device)].view(pruned.shape)
