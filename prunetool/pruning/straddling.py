"""N:M groups of which two processes hold a part each: these, and only these, are exchanged."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from prunetool.pruning import ranks
from prunetool.pruning.shards import Shard


@dataclass(frozen=True)
class WholeGroups:
    """A part of a tensor, extended to whole groups along one dimension.

    Attributes:
        tensor: the extended part.
        dim: the dimension.
        before: how many elements along it were put before those of the part.
        length: how many the part has itself.
    """

    tensor: Tensor
    dim: int
    before: int
    length: int

    def own(self, extended: Tensor) -> Tensor:
        """Cut the part's own elements out of a tensor of the extended shape."""
        return extended.narrow(self.dim, self.before, self.length)


def whole_groups(part: Tensor, shard: Shard | None, *, dim: int, m: int) -> WholeGroups:
    """Extend ``part`` to whole groups of ``m`` along ``dim``.

    A collective where a cut between processes goes through a group, which all of them know.

    Args:
        part: what this process holds; bool or floating.
        shard: of it.
        dim: the dimension that has the groups, not negative.
        m: size of a group; divides the whole tensor's size along ``dim``.
    """
    length = part.shape[dim]
    cut = _cut_groups(shard, dim=dim, m=m)
    if shard is None or not cut:
        return WholeGroups(part, dim, 0, length)
    start = shard.offsets[dim]
    exchanged = _exchange(part, shard, cut, dim=dim, m=m)
    if not length:
        return WholeGroups(part, dim, 0, 0)
    before, after = start % m, -(start + length) % m
    pieces = [part]
    if before:
        at = cut.index(start // m) * m
        pieces.insert(0, exchanged.narrow(dim, at, before))
    if after:
        at = cut.index((start + length) // m) * m
        pieces.append(exchanged.narrow(dim, at + m - after, after))
    return WholeGroups(torch.cat(pieces, dim), dim, before, length)


def are_cut_twice(shard: Shard | None, dim: int) -> bool:
    """Whether two dimensions of the mesh cut ``dim``: whose groups are whole is then unknown."""
    return shard is not None and len(shard.cuts[dim]) > 1


def _cut_groups(shard: Shard | None, *, dim: int, m: int) -> list[int]:
    """List the groups through which a cut goes, counted from the first of the whole tensor."""
    if shard is None or shard.holds_all_of(dim):
        return []
    size, processes = shard.shape[dim], shard.mesh.size(shard.cuts[dim][0])
    chunk = -(-size // processes)  # as torch.chunk cuts
    cuts = range(chunk, size, chunk)
    return sorted({at // m for at in cuts if at % m})


def _exchange(part: Tensor, shard: Shard, groups: list[int], *, dim: int, m: int) -> Tensor:
    """Put the cut groups together, end to end along ``dim``."""
    shape = list(part.shape)
    shape[dim] = len(groups) * m
    kind = torch.uint8 if part.dtype == torch.bool else part.dtype
    joined = torch.zeros(shape, dtype=kind, device=part.device)
    start, end = shard.offsets[dim], shard.offsets[dim] + part.shape[dim]
    for i, group in enumerate(groups):
        first, last = max(start, group * m), min(end, group * m + m)
        if first < last:
            at = i * m + first - group * m
            joined.narrow(dim, at, last - first).copy_(
                part.narrow(dim, first - start, last - first)
            )
    neighbours = shard.mesh.get_group(shard.cuts[dim][0])
    return ranks.total(joined, shard.device, group=neighbours).to(part.dtype)
