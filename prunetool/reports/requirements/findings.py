"""What there is of a metric in a group of layers, to be held against what was required."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from prunetool.errors import OptionError
from prunetool.reports.compare import Comparison, total_change
from prunetool.reports.counting.changes import Change
from prunetool.reports.requirements.metrics import Metric
from prunetool.reports.requirements.values import NO_PATTERN
from prunetool.reports.statistics import Count, Layer, Macs, sums_of

_LARGEST_SLACK = Fraction(1, 2000)


@dataclass(frozen=True)
class Found:
    """A value that was found.

    Attributes:
        value: exact, in the unit of the metric; a float is a distance, which may be infinite.
        shown: the same for people.
        slack: how far from what was required it may be and still count as that: half an element
            of a fraction, since no count of whole elements may meet it.
    """

    value: Fraction | float | str
    shown: str
    slack: Fraction = Fraction(0)


def find(
    metric: Metric,
    layers: Sequence[Layer],
    comparison: Comparison | None,
    *,
    text: str,
    macs_elsewhere: int = 0,
) -> Found:
    """Measure layers together; of a pattern there is one layer only.

    Args:
        comparison: of the checkpoint that the layers are of with an older one; None without one.
        text: the requirement as it was written, for messages.
        macs_elsewhere: what is multiplied outside of the layers, where they are the whole model.

    Raises:
        OptionError: if it is not known of them.
    """
    sums = sums_of(layers, macs_elsewhere=macs_elsewhere)
    match metric:
        case Metric.SPARSITY | Metric.DENSITY:
            return _share(metric, sums.count)
        case Metric.ZEROS:
            return _whole(sums.count.zeros)
        case Metric.NONZEROS:
            return _whole(sums.count.parameters - sums.count.zeros)
        case Metric.PARAMETERS:
            return _whole(sums.count.parameters)
        case Metric.BYTES:
            return _whole(sums.bytes)
        case Metric.SPARSE_BYTES:
            return _whole(sums.sparse_bytes)
        case Metric.DEAD_CHANNELS:
            return _whole(sums.dead_channels)
        case Metric.PATTERN:
            name = layers[0].pattern or NO_PATTERN
            return Found(name, name)
        case Metric.MACS:
            return _whole(_macs(sums.macs, text).dense)
        case Metric.EFFECTIVE_MACS:
            return _whole(_macs(sums.macs, text).effective)
        case Metric.REGROWN:
            return _whole(_change(layers, comparison, text).regrown)
        case Metric.NEWLY_PRUNED:
            return _whole(_change(layers, comparison, text).newly_pruned)
        case Metric.LARGEST_CHANGE:
            largest = _change(layers, comparison, text).largest
            return Found(largest, f"{largest:.6g}")
        case _:
            raise AssertionError(metric)


def _whole(count: int) -> Found:
    return Found(Fraction(count), str(count))


def _share(metric: Metric, count: Count) -> Found:
    """Give a fraction, and half an element as its slack.

    So ``sparsity>=S`` holds for what pruning to S delivers, ``round(S * n)`` of n. It is at most
    0.05 points of sparsity, so that among few elements the letter counts.
    """
    elements = max(count.parameters, 1)
    zeros = Fraction(count.zeros, elements)
    value, of = (zeros, count.zeros)
    if metric is Metric.DENSITY:
        value, of = 1 - zeros, count.parameters - count.zeros
    slack = min(Fraction(1, 2 * elements), _LARGEST_SLACK)
    return Found(value, f"{float(value):.6f} ({of} of {count.parameters})", slack)


def _macs(macs: Macs | None, text: str) -> Macs:
    if macs is None:
        raise OptionError(
            f"--require {text}: multiply-accumulates are not known here; say what goes into the "
            "model with --input-shape or --data, such as --input-shape 3,224,224"
        )
    return macs


def _change(layers: Sequence[Layer], comparison: Comparison | None, text: str) -> Change:
    if comparison is None:
        raise OptionError(
            f"--require {text}: compares two checkpoints, got one; put the older one before it, "
            "such as in 'prunetool report OLD NEW'"
        )
    known = comparison.changes
    for layer in layers:
        if layer.name not in known:
            raise OptionError(
                f"--require {text}: {comparison.why_unknown(layer.name)}, so that nothing is known "
                "of its change; name other layers with a glob, or leave it out with --exclude"
            )
    total = total_change(known[layer.name] for layer in layers)
    assert total is not None, "a group has a layer"
    return total
