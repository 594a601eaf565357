"""Checking requirements on a report.

Without a scope, ``sparsity`` is that of the pruned set as a whole, and ``pattern`` that of each
of its layers. The scope ``layer`` means each layer of the pruned set by itself; any other scope
is a glob over the names of all layers, whose sparsity is taken together.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

from prunetool.checkpoints.globs import require_match
from prunetool.errors import OptionError
from prunetool.reports.requirements.requirements import Metric, Operator, Requirement
from prunetool.reports.statistics import Count, Layer, Report, total_of

_EACH_LAYER = "layer"
_LARGEST_SLACK = Fraction(1, 2000)


@dataclass(frozen=True)
class Failure:
    """A requirement that is not met, where, and what was found instead."""

    requirement: Requirement
    where: str
    found: str

    def __str__(self) -> str:
        return f"requirement not met: {self.requirement.text}: {self.where} has {self.found}"


def failures(report: Report, requirements: Iterable[Requirement]) -> list[Failure]:
    """Check all requirements and return what is not met, in order.

    Raises:
        OptionError: if a glob matches no layer, or there is no pruned set to speak of.
    """
    return [failure for it in requirements for failure in _failures_of(it, report)]


def _failures_of(requirement: Requirement, report: Report) -> Iterator[Failure]:
    layers = _layers_in_scope(requirement, report)
    if requirement.metric is Metric.PATTERN:
        for layer in layers:
            if (layer.pattern == requirement.value) != (requirement.operator is Operator.EQUAL):
                yield Failure(requirement, layer.name, f"pattern {layer.pattern or 'none'}")
        return
    for where, count in _counts(requirement.scope, layers):
        if not _holds(requirement, count):
            found = f"sparsity {count.sparsity:.6f} ({count.zeros} of {count.parameters})"
            yield Failure(requirement, where, found)


def _counts(scope: str, layers: Sequence[Layer]) -> list[tuple[str, Count]]:
    if scope == _EACH_LAYER:
        return [(layer.name, layer.count) for layer in layers]
    return [(scope or "the pruned set", total_of(layers))]


def _layers_in_scope(requirement: Requirement, report: Report) -> list[Layer]:
    if requirement.scope in ("", _EACH_LAYER):
        layers = [layer for layer in report.layers if layer.prunable]
        if not layers:
            raise OptionError(
                f"--require {requirement.text}: no layer here belongs to the pruned set; "
                "name layers with a glob before a colon"
            )
        return layers
    names = [layer.name for layer in report.layers]
    found = set(require_match(requirement.scope, names, option="--require"))
    return [layer for layer in report.layers if layer.name in found]


def _holds(requirement: Requirement, count: Count) -> bool:
    """Compare exactly, but for half an element: no count of whole elements may meet a fraction.

    The allowance makes ``sparsity>=S`` hold for what pruning to S delivers, ``round(S * n)`` of n.
    It is at most 0.05 points of sparsity, so that among few elements the letter counts.
    """
    assert isinstance(requirement.value, Fraction)
    found = Fraction(count.zeros, max(count.parameters, 1))
    slack = min(Fraction(1, 2 * max(count.parameters, 1)), _LARGEST_SLACK)
    surplus = found - requirement.value
    match requirement.operator:
        case Operator.AT_LEAST:
            return surplus >= -slack
        case Operator.AT_MOST:
            return surplus <= slack
        case Operator.EQUAL:
            return abs(surplus) <= slack
        case Operator.UNEQUAL:
            return abs(surplus) > slack
        case Operator.MORE:
            return surplus > 0
        case Operator.LESS:
            return surplus < 0
