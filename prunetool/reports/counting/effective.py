"""What sparsity leaves of the multiply-accumulates of a model."""

from __future__ import annotations

from dataclasses import replace

from prunetool.errors import OptionError
from prunetool.reports.counting.macs import MacCounts
from prunetool.reports.statistics import Layer, Macs, Report


def with_macs(report: Report, counts: MacCounts) -> Report:
    """Add multiply-accumulates to the layers of a report, dense and effective.

    Args:
        counts: of one sample; of parameters that the report does not have, and of operations on
            activations, they are dense.

    Raises:
        OptionError: if the model lacks any of the report's layers.
    """
    names = {layer.name for layer in report.layers}
    if names.isdisjoint(counts.names):
        raise OptionError(
            f"multiply-accumulates: {report.source.path} has no parameter of the model, which has "
            f"{', '.join(sorted(counts.names)[:3])}; name its class with --model"
        )
    unknown = sorted(names - counts.names)
    if unknown:
        raise OptionError(
            f"multiply-accumulates: the model has no {unknown[0]}, which {report.source.path} has; "
            "build it as it was with --model-arg, or leave that out with --exclude"
        )
    layers = tuple(replace(layer, macs=_macs(layer, counts)) for layer in report.layers)
    known = {counts.first_name(name) for name in names}
    missing = sum(macs for name, macs in counts.by_parameter.items() if name not in known)
    # What was left out by --include is left out here, too.
    elsewhere = counts.elsewhere + missing if report.complete else 0
    return replace(report, layers=layers, macs_elsewhere=elsewhere)


def _macs(layer: Layer, counts: MacCounts) -> Macs:
    dense = counts.by_parameter.get(counts.first_name(layer.name), 0)
    kept = layer.count.parameters - layer.count.zeros
    return Macs(dense, round(dense * kept / max(layer.count.parameters, 1)))
