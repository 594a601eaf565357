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
class Macs:
    """Multiply-accumulates of one forward pass: as it is, and without those that zeros save."""

    dense: int
    effective: int


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
        sparse_bytes: of its bits and values in a sparse export, or of its values, stored densely,
            where that is less; see ``estimate_sparse_bytes`` for where a real one differs.
        dead_channels: how many slices are all zero along dim 0, and along dim 1; ``()`` below two
            dims.
        macs: what it multiplies; None where that is not known or was not asked for.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    count: Count
    masked: bool
    prunable: bool
    pattern: str | None
    bytes: int
    sparse_bytes: int
    dead_channels: tuple[int, ...]
    macs: Macs | None = None


@dataclass(frozen=True)
class Sums:
    """What layers come to together.

    Attributes:
        layers: how many there are.
        dead_channels: along any dim.
        macs: of the layers of which they are known; None of none.
    """

    layers: int
    count: Count
    bytes: int
    sparse_bytes: int
    dead_channels: int
    macs: Macs | None


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
        macs_elsewhere: what a forward pass multiplies without any of the layers: activations by
            each other, such as attention scores; as dense as they are.
    """

    source: Source
    layers: tuple[Layer, ...]
    complete: bool = True
    macs_elsewhere: int = 0

    @cached_property
    def total(self) -> Count:
        """Of all layers."""
        return total_of(self.layers)

    @cached_property
    def prunable(self) -> Count:
        """Of the pruned set."""
        return total_of(layer for layer in self.layers if layer.prunable)

    @property
    def whole_name(self) -> str:
        """What all layers together are called."""
        return "whole model" if self.complete else "all selected"

    @cached_property
    def sums(self) -> Sums:
        """Of all layers, and of what is multiplied elsewhere."""
        return sums_of(self.layers, macs_elsewhere=self.macs_elsewhere)

    @cached_property
    def prunable_sums(self) -> Sums:
        """Of the pruned set."""
        return sums_of(layer for layer in self.layers if layer.prunable)


def sums_of(layers: Iterable[Layer], *, macs_elsewhere: int = 0) -> Sums:
    """Add layers up, and what is multiplied outside of them."""
    all_ = list(layers)
    macs = [layer.macs for layer in all_ if layer.macs is not None]
    dense = sum(it.dense for it in macs) + macs_elsewhere
    effective = sum(it.effective for it in macs) + macs_elsewhere
    return Sums(
        layers=len(all_),
        count=total_of(all_),
        bytes=sum(layer.bytes for layer in all_),
        sparse_bytes=sum(layer.sparse_bytes for layer in all_),
        dead_channels=sum(sum(layer.dead_channels) for layer in all_),
        macs=Macs(dense, effective) if macs else None,
    )


def total_of(layers: Iterable[Layer]) -> Count:
    """Add the counts of layers up."""
    counts = [layer.count for layer in layers]
    return Count(sum(it.parameters for it in counts), sum(it.zeros for it in counts))
