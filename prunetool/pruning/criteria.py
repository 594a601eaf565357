"""How much an element, or a group of elements, matters: the lower the score, the sooner it goes.

==========  ===============================  ====================================================
magnitude   \\|w\\|                            Han et al. 2015, arXiv 1506.02626
random      uniform in [0, 1)                the control that every criterion has to beat
saliency    sum over steps of \\|w g\\|        first-order Taylor; Molchanov et al. 2019,
                                             arXiv 1906.10771 (who square the product)
movement    - sum over steps of w g          Sanh et al. 2020, arXiv 2005.07683, eq. 5
==========  ===============================  ====================================================

w is a weight, g its gradient at an optimizer step. Saliency is gathered over the steps since the
last event, movement over the whole training. Each is one tensor an element; a new criterion is one
more line in :func:`element_scores` (and in ``gathering.py`` if it needs gradients), and works at
once with every pattern, allocation and schedule.
"""

from __future__ import annotations

from enum import Enum
from math import inf

import torch
from torch import Tensor

Norm = int | float | str


class Criterion(Enum):
    """What a method scores by."""

    MAGNITUDE = "magnitude"
    RANDOM = "random"
    SALIENCY = "saliency"
    MOVEMENT = "movement"

    @property
    def needs_gradients(self) -> bool:
        """Whether scores are gathered from the gradients of training."""
        return self in (Criterion.SALIENCY, Criterion.MOVEMENT)

    @property
    def is_magnitude_like(self) -> bool:
        """Whether a score is never negative and 0 for what does not matter at all.

        Norms and energies of such scores mean something; those of others do not.
        """
        return self in (Criterion.MAGNITUDE, Criterion.SALIENCY)


def element_scores(
    criterion: Criterion, weight: Tensor, gathered: Tensor | None
) -> tuple[Tensor, bool]:
    """Give the tensor whose values score the elements of ``weight``.

    Args:
        criterion: any but random, which draws.
        weight: the parameter.
        gathered: what was gathered from its gradients; None if it had none. Then nothing is known
            of its elements, and they go last (a score of +inf).

    Returns:
        A tensor of the shape of ``weight``, and whether the scores are its absolute values.
    """
    match criterion:
        case Criterion.MAGNITUDE:
            return weight.detach(), True
        case Criterion.SALIENCY | Criterion.MOVEMENT:
            if gathered is None:
                return torch.tensor(inf, device=weight.device).expand(weight.shape), False
            return gathered, False
    raise AssertionError(f"no such criterion for elements: {criterion!r}")


def channel_norm(scores: Tensor, *, dim: int, norm: Norm) -> Tensor:
    """Score each channel along ``dim`` by the norm of its elements (Li et al. 2017, for n = 1).

    Args:
        scores: of the elements; two or more dimensions.
        dim: the dimension that counts the channels.
        norm: any order of :func:`torch.linalg.vector_norm`, or ``"fro"`` (the same as 2), or
            ``"nuc"`` (only where a channel is a matrix).

    Returns:
        A tensor of ``scores.shape[dim]`` scores; those of half-precision weights are computed in
        single precision.
    """
    scores = scores.detach()
    others = [d for d in range(scores.dim()) if d != dim % scores.dim()]
    wide = torch.promote_types(scores.dtype, torch.float32)
    norms: Tensor
    match norm:
        case "nuc":
            norms = torch.linalg.matrix_norm(scores.to(wide), ord="nuc", dim=(others[0], others[1]))
        case "fro":
            norms = torch.linalg.vector_norm(scores, ord=2, dim=others, dtype=wide)
        case int() | float():
            norms = torch.linalg.vector_norm(scores, ord=norm, dim=others, dtype=wide)
        case _:
            raise ValueError(f"expected a number, 'fro' or 'nuc' for the norm, got {norm!r}")
    return norms


def channel_sum(scores: Tensor, *, dim: int) -> Tensor:
    """Score each channel along ``dim`` by the sum of its elements' scores, signs kept."""
    others = [d for d in range(scores.dim()) if d != dim % scores.dim()]
    return scores.detach().sum(dim=others)


def random_scores(count: int, *, dtype: torch.dtype, generator: torch.Generator) -> Tensor:
    """Draw ``count`` uniform scores in [0, 1) on the CPU, whatever device the weights are on.

    Drawing on the CPU makes every rank and every device choose alike from the same seed. The
    draws of several tensors continue one stream, so that they equal one draw for all of them.
    """
    wide = dtype if dtype == torch.float64 else torch.float32
    return torch.rand(count, dtype=wide, generator=generator)
