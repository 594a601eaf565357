"""How much an element, or a group of elements, matters: the lower the score, the sooner it goes.

A criterion is a function; which of them a method uses is a :class:`Criterion`.
"""

from __future__ import annotations

from enum import Enum

import torch
from torch import Tensor

Norm = int | float | str


class Criterion(Enum):
    """What a method scores by."""

    MAGNITUDE = "magnitude"
    RANDOM = "random"


def magnitude(weight: Tensor) -> Tensor:
    """Score each element by its absolute value (Han et al. 2015, arXiv 1506.02626)."""
    return weight.detach().abs()


def channel_norm(weight: Tensor, *, dim: int, norm: Norm) -> Tensor:
    """Score each channel along ``dim`` by the norm of its elements (Li et al. 2017, for n = 1).

    Args:
        weight: a tensor of two or more dimensions.
        dim: the dimension that counts the channels.
        norm: the order of :func:`torch.linalg.vector_norm`, or ``"fro"`` (the same as 2), or
            ``"nuc"`` (only where a channel is a matrix).

    Returns:
        A tensor of ``weight.shape[dim]`` scores.
    """
    weight = weight.detach()
    others = [d for d in range(weight.dim()) if d != dim % weight.dim()]
    scores: Tensor
    match norm:
        case "nuc":
            scores = torch.linalg.matrix_norm(weight, ord="nuc", dim=(others[0], others[1]))
        case "fro":
            scores = torch.linalg.vector_norm(weight, ord=2, dim=others)
        case int() | float():
            scores = torch.linalg.vector_norm(weight, ord=norm, dim=others)
        case _:
            raise ValueError(f"expected a number, 'fro' or 'nuc' for the norm, got {norm!r}")
    return scores


def random_scores(count: int, *, dtype: torch.dtype, generator: torch.Generator) -> Tensor:
    """Draw ``count`` uniform scores in [0, 1) on the CPU, whatever device the weights are on.

    Drawing on the CPU makes every rank and every device choose alike from the same seed. The
    draws of several tensors continue one stream, so that they equal one draw for all of them.
    """
    wide = dtype if dtype == torch.float64 else torch.float32
    return torch.rand(count, dtype=wide, generator=generator)
