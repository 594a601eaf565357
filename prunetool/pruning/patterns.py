"""What is removed together: single elements, whole channels, or elements as N:M allows.

A pattern cuts a tensor into units. The engine counts, scores and chooses units; a pattern says
which units are still there, how many of them can go at all, and which elements a unit holds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from prunetool.pruning import ranks
from prunetool.pruning.shards import Shard
from prunetool.pruning.straddling import whole_groups


@dataclass(frozen=True)
class Elements:
    """Every element for itself (unstructured pruning)."""

    def misfit(self, shape: Sequence[int], *, input_dim: int = 1) -> str | None:
        """Say why a tensor of ``shape`` cannot be cut this way; None if it can."""
        return None

    def units(self, shape: Sequence[int]) -> int:
        """Count the units of a tensor of ``shape``."""
        return int(torch.Size(shape).numel())

    def prunable(self, shape: Sequence[int]) -> int:
        """Count the units that can go at most."""
        return self.units(shape)

    def gone(self, pruned: Tensor, shard: Shard | None = None) -> Tensor:
        """Mark the units that are pruned: bool, one-dimensional, in row-major order.

        Units are those of ``pruned``, this process's part.
        """
        return pruned.reshape(-1)

    def spread(self, units: Tensor, shape: Sequence[int], shard: Shard | None = None) -> Tensor:
        """Turn marked units into marked elements: bool, of ``shape``, that of the part."""
        return units.view(tuple(shape))


@dataclass(frozen=True)
class Channels:
    """Whole channels along ``dim`` (structured pruning).

    Attributes:
        dim: index of the dimension that counts the channels; negative from the end.
        matrices_only: the norm is defined for channels that are matrices only (``"nuc"``).
    """

    dim: int
    matrices_only: bool = False

    def misfit(self, shape: Sequence[int], *, input_dim: int = 1) -> str | None:
        """Say why a tensor of ``shape`` cannot be cut this way; None if it can."""
        if len(shape) < 2:
            return f"channels need a tensor of two or more dimensions, got shape {tuple(shape)}"
        if not -len(shape) <= self.dim < len(shape):
            return f"there is no dimension {self.dim} in shape {tuple(shape)}"
        if self.matrices_only and len(shape) != 3:
            return f"the nuclear norm needs channels that are matrices, got shape {tuple(shape)}"
        return None

    def units(self, shape: Sequence[int]) -> int:
        """Count the channels of a tensor of ``shape``."""
        return shape[self.dim]

    def prunable(self, shape: Sequence[int]) -> int:
        """Count the channels that can go at most."""
        return self.units(shape)

    def gone(self, pruned: Tensor, shard: Shard | None = None) -> Tensor:
        """Mark the channels of which nothing is left: bool, one for each channel of the whole.

        With ``shard`` a collective: other processes may hold other elements of a channel.
        """
        others = tuple(d for d in range(pruned.dim()) if d != self.dim % pruned.dim())
        if pruned.numel() == 0:
            gone = pruned.all(dim=others)
        else:
            # The least byte is several times as fast as `all`.
            gone = pruned.view(torch.uint8).amin(dim=others) != 0
        if shard is None:
            return gone
        stays = torch.zeros(shard.shape[self.dim], dtype=torch.uint8, device=gone.device)
        self._part(stays, shard).copy_(~gone)
        return ranks.largest(stays, shard.device) == 0

    def spread(self, units: Tensor, shape: Sequence[int], shard: Shard | None = None) -> Tensor:
        """Turn marked channels of the whole into marked elements: bool, of ``shape``."""
        if shard is not None:
            units = self._part(units, shard)
        aligned = [1] * len(shape)
        aligned[self.dim] = units.numel()
        return units.view(aligned).expand(tuple(shape))

    def _part(self, channels: Tensor, shard: Shard) -> Tensor:
        """View the channels of which this process holds elements."""
        size = shard.sizes[self.dim]
        return channels.narrow(0, shard.offsets[self.dim] if size else 0, size)


@dataclass(frozen=True)
class NOfM(Elements):
    """N:M semi-structured: of ``m`` consecutive elements along the input dimension ``n`` stay.

    A unit is an element, and of each group at most ``m - n`` can go (Zhou et al. 2021,
    arXiv 2102.04010; Mishra et al. 2021, arXiv 2104.08378, for 2:4). So every allocation and
    schedule applies, and a tensor whose prunable units are all gone has the full pattern.

    Attributes:
        n: elements kept in each group, in [1, m).
        m: size of a group.
    """

    n: int
    m: int

    def __post_init__(self) -> None:
        if not 1 <= self.n < self.m:
            raise ValueError(
                f"{self}: expected N:M with 1 <= N < M, such as 2:4 (2 of every 4 stay)"
            )

    def __str__(self) -> str:
        return f"{self.n}:{self.m}"

    @property
    def sparsity(self) -> float:
        """Give the sparsity of the full pattern."""
        return 1 - self.n / self.m

    def misfit(self, shape: Sequence[int], *, input_dim: int = 1) -> str | None:
        """Say why a tensor of ``shape`` cannot be cut this way; None if it can."""
        if len(shape) < 2:
            return f"{self} needs an input dimension, got shape {tuple(shape)}"
        if shape[input_dim] % self.m:
            return (
                f"the input dimension of shape {tuple(shape)} is {shape[input_dim]}, "
                f"not a multiple of {self.m}"
            )
        return None

    def prunable(self, shape: Sequence[int]) -> int:
        """Count the elements that can go at most."""
        return self.units(shape) // self.m * (self.m - self.n)

    def still_prunable(self, pruned: Tensor, *, input_dim: int, shard: Shard | None = None) -> int:
        """Count the elements that can go of a tensor of which some are gone, in whatever groups.

        With ``shard`` a collective, which counts those of all processes.
        """
        groups = whole_groups(pruned, shard, dim=input_dim, m=self.m)
        cut = torch.unflatten(groups.tensor, input_dim, (-1, self.m))
        open_ = (self.m - self.n - cut.count_nonzero(input_dim + 1)).clamp_(min=0)
        if shard is None:
            return int(open_.sum())
        if groups.before:  # the process before counts the group that it begins
            open_ = open_.narrow(input_dim, 1, open_.shape[input_dim] - 1)
        return int(ranks.total(open_.sum() * int(shard.counted), shard.device))


Pattern = Elements | Channels
