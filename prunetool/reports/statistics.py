"""What there is to know about the sparsity of a checkpoint, tensor by tensor and in total."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property


@dataclass(frozen=True)
class Count:
    """Parameters, and how many of them are zero."""

    parameters: int
    zeros: int

    @property
    def sparsity(self) -> float:
        """Fraction of zeros, in [0, 1]; 0 of nothing."""
        return self.zeros / self.parameters if self.parameters else 0.0


@dataclass(frozen=True)
class Layer:
    """One parameter tensor.

    Attributes:
        name: its first name in the file, as the plain model has it.
        dtype: such as ``"float32"``.
        count: masked elements count as zero whatever is stored under the mask.
        masked: whether there is a mask for it in the file.
        prunable: whether it belongs to the pruned set: the tensors with a mask, or in a file
            without any, the floating ones of two or more dimensions.
        pattern: of its zeros, see ``zeropatterns.py``.
        bytes: of its values, stored densely.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    count: Count
    masked: bool
    prunable: bool
    pattern: str | None
    bytes: int


@dataclass(frozen=True)
class Source:
    """Where the numbers are from: the checkpoint, its format, and who wrote its masks, if any."""

    path: str
    format: str
    masks: str | None


@dataclass(frozen=True)
class Report:
    """The sparsity of a checkpoint; layers are in the file's order, tied tensors once.

    Attributes:
        complete: whether all parameters of the file are among the layers.
    """

    source: Source
    layers: tuple[Layer, ...]
    complete: bool = True

    @cached_property
    def total(self) -> Count:
        """Of all layers."""
        return total_of(self.layers)

    @cached_property
    def prunable(self) -> Count:
        """Of the pruned set."""
        return total_of(layer for layer in self.layers if layer.prunable)


def total_of(layers: Iterable[Layer]) -> Count:
    """Add the counts of layers up."""
    counts = [layer.count for layer in layers]
    return Count(sum(it.parameters for it in counts), sum(it.zeros for it in counts))
