"""What can be required of layers, and in which values it is measured."""

from __future__ import annotations

import enum


class Measure(enum.Enum):
    """What a metric is measured in."""

    SHARE = enum.auto()  # a fraction of the elements, in [0, 1]
    COUNT = enum.auto()
    BYTES = enum.auto()
    MACS = enum.auto()  # multiply-accumulates
    CHANGE = enum.auto()  # a distance of two weights, from 0 to infinity
    PATTERN = enum.auto()  # a name, see ``zeropatterns.py``


class Metric(enum.StrEnum):
    """What can be required; the last three of two checkpoints."""

    SPARSITY = "sparsity"
    DENSITY = "density"
    ZEROS = "zeros"
    NONZEROS = "nonzeros"
    PARAMETERS = "parameters"
    PATTERN = "pattern"
    BYTES = "bytes"
    SPARSE_BYTES = "sparse_bytes"
    DEAD_CHANNELS = "dead_channels"
    MACS = "macs"
    EFFECTIVE_MACS = "effective_macs"
    REGROWN = "regrown"
    NEWLY_PRUNED = "newly_pruned"
    LARGEST_CHANGE = "largest_change"

    @property
    def measure(self) -> Measure:
        """What it is measured in."""
        match self:
            case Metric.SPARSITY | Metric.DENSITY:
                return Measure.SHARE
            case Metric.BYTES | Metric.SPARSE_BYTES:
                return Measure.BYTES
            case Metric.MACS | Metric.EFFECTIVE_MACS:
                return Measure.MACS
            case Metric.LARGEST_CHANGE:
                return Measure.CHANGE
            case Metric.PATTERN:
                return Measure.PATTERN
            case _:
                return Measure.COUNT

    @property
    def compares(self) -> bool:
        """Whether it speaks of two checkpoints."""
        return self in (Metric.REGROWN, Metric.NEWLY_PRUNED, Metric.LARGEST_CHANGE)
