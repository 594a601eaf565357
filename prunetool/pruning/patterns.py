"""What is removed together: single elements, or whole channels along a dimension.

A pattern cuts a tensor into units. The engine counts, scores and chooses units; a pattern says
which units are still there and which elements a unit holds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Elements:
    """Every element for itself (unstructured pruning)."""

    def misfit(self, shape: Sequence[int]) -> str | None:
        """Say why a tensor of ``shape`` cannot be cut this way; None if it can."""
        return None

    def units(self, shape: Sequence[int]) -> int:
        """Count the units of a tensor of ``shape``."""
        return int(torch.Size(shape).numel())

    def remaining(self, pruned: Tensor) -> Tensor:
        """Mark the units that are not pruned yet: bool, one-dimensional, in row-major order."""
        return ~pruned.reshape(-1)

    def spread(self, units: Tensor, shape: Sequence[int]) -> Tensor:
        """Turn marked units into marked elements: bool, of ``shape``."""
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

    def misfit(self, shape: Sequence[int]) -> str | None:
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

    def remaining(self, pruned: Tensor) -> Tensor:
        """Mark the channels that still have an element: bool, one for each channel."""
        rows = pruned.movedim(self.dim, 0).reshape(pruned.shape[self.dim], -1)
        return ~rows.all(dim=1)

    def spread(self, units: Tensor, shape: Sequence[int]) -> Tensor:
        """Turn marked channels into marked elements: bool, of ``shape``."""
        aligned = [1] * len(shape)
        aligned[self.dim] = units.numel()
        return units.view(aligned).expand(tuple(shape))


Pattern = Elements | Channels
