"""LAMP: layer-adaptive sparsity from magnitudes (Lee et al. 2021, arXiv 2010.07611, eq. 4).

Within a tensor, a unit's LAMP score is its energy over that of all units that matter as much::

    lamp(u) = w(u)^2 / sum of w(v)^2 over all v with |w(v)| >= |w(u)|

The order within a tensor is that of magnitudes, so the scores serve for one thing: how many units
each tensor gives when all compete by them. The largest unit of a tensor has the score 1, the most
there is: no tensor is emptied while another has more than one unit left.

The paper sorts every tensor. Here a histogram says for nearly all units on which side of the k-th
LAMP score they are (``lamp_profile.py``), and only the few percent about it are sorted.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from prunetool.pruning.lamp_profile import Profile
from prunetool.pruning.scores import Scores
from prunetool.pruning.selection import lowest


def lamp_shares(
    sources: Sequence[Scores],
    k: int,
    *,
    most: Sequence[int],
    staying: Sequence[Tensor | None] | None = None,
) -> list[int]:
    """Share ``k`` units among tensors by the LAMP scores of the units that compete.

    A tensor that would give more than it may gives what it may; the others make up for it.

    Args:
        sources: scores that are not negative.
        k: units to go, at most the sum of ``most``.
        most: units that may go of each.
        staying: flat bool tensors of units that cannot go but count as part of their tensor; these
            are among those that the sources call taken.

    Raises:
        NanScoresError: naming the first source that holds a NaN.
    """
    staying = staying or [None] * len(sources)
    profiles = [Profile(scores, stay) for scores, stay in zip(sources, staying, strict=True)]
    shares = [0] * len(profiles)
    pool = list(range(len(profiles)))
    while k:
        given = _pooled([profiles[i] for i in pool], k)
        over = [i for i, share in zip(pool, given, strict=True) if share > most[i]]
        for i, share in zip(pool, given, strict=True):
            shares[i] = min(share, most[i])
        if not over:
            break
        k -= sum(most[i] for i in over)
        pool = [i for i in pool if i not in over]
        for i in pool:
            shares[i] = 0
    return shares


def _pooled(profiles: Sequence[Profile], k: int) -> list[int]:
    """Share ``k`` units without bounds."""
    low, high = _edges(profiles, k)
    sure, open_ = [], []
    for profile in profiles:
        below, ratios = profile.around(low, high)
        sure.append(below)
        open_.append(Scores(profile.scores.name, ratios))
    marked = lowest(open_, k - sum(sure))
    return [below + int(marks.count_nonzero()) for below, marks in zip(sure, marked, strict=True)]


def _edges(profiles: Sequence[Profile], k: int) -> tuple[float, float]:
    """Give two LAMP scores between which the ``k``-th lowest of all lies."""
    counts = torch.cat([profile.counts for profile in profiles])
    edges = []
    for bounds in ([p.low for p in profiles], [p.high for p in profiles]):
        ordered, order = torch.cat(bounds).sort()
        reached = int(torch.searchsorted(counts[order].cumsum(0), k))
        edges.append(float(ordered[reached]))
    # Fewer than k units are in bins that begin below the first; k or more in bins that end by the
    # second.
    return edges[0], edges[1]
