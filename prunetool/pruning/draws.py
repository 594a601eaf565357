"""Random scores for the elements that are left, the same whoever holds which of them.

They are one stream of draws in row-major order of the whole tensor. Every process draws all of it,
piece by piece, and keeps its own: what it needs of the others is only which elements are left.
"""

from __future__ import annotations

import torch
from torch import Tensor

from prunetool.pruning import ranks
from prunetool.pruning.criteria import random_scores
from prunetool.pruning.pieces import piece_size
from prunetool.pruning.shards import Shard


def drawn_for_part(
    gone: Tensor | None, shard: Shard, *, dtype: torch.dtype, generator: torch.Generator
) -> Tensor:
    """Draw for the elements that are left of a tensor of which this process holds a part.

    A collective if anything is gone.

    Args:
        gone: flat bool of the part's elements in row-major order; None if nothing is gone, in any
            process.
        shard: the part.
        dtype: of the draws.
        generator: in the same state in all processes.

    Returns:
        Flat scores of the part on the CPU, 0 where gone.
    """
    elements, size = shard.shape.numel(), piece_size(torch.device("cpu"))
    drawn = [torch.empty(0, dtype=dtype)]
    for start in range(0, elements, size):
        length = min(size, elements - start)
        own = torch.arange(shard.count_before(start), shard.count_before(start + length))
        where = shard.positions(own) - start
        if gone is None:
            scores = random_scores(length, dtype=dtype, generator=generator)
        else:
            left = torch.zeros(length, dtype=torch.uint8)
            if shard.counted:
                left[where] = (~gone[own.to(gone.device)]).to("cpu", torch.uint8)
            left = ranks.total(left, shard.device).bool()
            count = int(left.count_nonzero())
            few = random_scores(count, dtype=dtype, generator=generator)
            scores = torch.zeros(length, dtype=few.dtype).masked_scatter_(left, few)
        drawn.append(scores[where])
    return torch.cat(drawn)
