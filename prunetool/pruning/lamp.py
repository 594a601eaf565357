"""LAMP: layer-adaptive sparsity from magnitudes (Lee et al. 2021, arXiv 2010.07611, eq. 4).

Within a tensor, a unit's LAMP score is its energy over that of all units that matter as much::

    lamp(u) = w(u)^2 / sum of w(v)^2 over all v with |w(v)| >= |w(u)|

The order within a tensor is that of magnitudes, so the scores serve for one thing: how many units
each tensor gives when all compete by them. The largest unit of a tensor has the score 1, the most
there is: no tensor is emptied while another has more than one unit left.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from prunetool.pruning.scores import Scores, refuse_nan
from prunetool.pruning.selection import lowest


def lamp_shares(
    sources: Sequence[Scores],
    k: int,
    *,
    most: Sequence[int],
    staying: Sequence[Tensor | None] | None = None,
) -> list[int]:
    """Share ``k`` units among tensors by the LAMP scores of the units that compete.

    Takes a sort of one tensor at a time, and four bytes for each unit of all.

    Args:
        sources: scores that are not negative.
        k: units to go.
        most: units that may go of each.
        staying: flat bool tensors of units that cannot go but count as part of their tensor; these
            are among those that the sources call taken.

    Raises:
        NanScoresError: naming the first source that holds a NaN.
    """
    staying = staying or [None] * len(sources)
    ranked = []
    for scores, stay, limit in zip(sources, staying, most, strict=True):
        refuse_nan(scores)
        ranked.append(Scores(scores.name, _lamp(scores, stay)[:limit]))
    return [int(marked.count_nonzero()) for marked in lowest(ranked, k)]


def _lamp(scores: Scores, staying: Tensor | None) -> Tensor:
    """Give the LAMP scores of the units that compete, ascending."""
    flat = scores.tensor.detach().reshape(-1).to(scores.dtype)
    flat = flat.abs() if scores.absolute else flat
    competes = None if scores.taken is None else ~scores.taken.reshape(-1)
    part = competes if competes is None or staying is None else competes | staying
    ordered, index = (flat if part is None else flat[part]).sort(stable=True)
    energy = ordered.to(torch.float64).square_()
    matter = energy.flip(0).cumsum(0).flip(0)
    # A tensor of nothing but zeros has no order to speak of: all its units go first. Where a score
    # is infinite (what had no gradient is), none matters more: it goes last, as the largest does.
    ratio = torch.where(matter > 0, energy / matter, 0.0).nan_to_num_(nan=1.0)
    ratio = ratio.cummax(0).values.to(torch.float32)
    if staying is None or part is None or competes is None:
        return ratio
    return ratio[competes[part][index]]
