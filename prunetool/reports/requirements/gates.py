"""Checking requirements on a report, or on the second of two that are compared.

Without a scope a requirement is about the pruned set as a whole; ``layer`` is each layer of it,
``model`` the whole model, a glob all layers that it matches together, and ``layer GLOB`` each of
them. A pattern is that of a layer: it is required of each one in the scope.

Of one number, a requirement and its negation (``>=`` and ``<``, ``<=`` and ``>``, ``==`` and
``!=``) never both hold and never both fail. What is required of each of several layers holds if
it does of all of them: then a requirement and its negation never both hold, but may both fail,
and each layer fails exactly one of the two.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction

from prunetool.checkpoints.names import printable
from prunetool.errors import OptionError
from prunetool.pruning.names import matching
from prunetool.reports.compare import Comparison
from prunetool.reports.requirements.findings import Found, find
from prunetool.reports.requirements.metrics import Measure
from prunetool.reports.requirements.requirements import Requirement
from prunetool.reports.requirements.scopes import Of, groups
from prunetool.reports.requirements.tokens import Operator
from prunetool.reports.statistics import Report


@dataclass(frozen=True)
class Failure:
    """A requirement that is not met, where, and what was found instead."""

    requirement: Requirement
    where: str
    found: str

    def __str__(self) -> str:
        """Say it in one line, whatever is in the name of a layer."""
        text = f"requirement not met: {self.requirement.text}: {self.where} has {self.found}"
        return printable(text)


def failures(subject: Report | Comparison, requirements: Iterable[Requirement]) -> list[Failure]:
    """Check all requirements and return what is not met, in order.

    Args:
        subject: a comparison speaks of its second checkpoint, and of one pruned set in both.

    Raises:
        OptionError: if a requirement cannot be checked: a glob matches no layer, there is no
            pruned set, or something is not known of a layer.
    """
    return [failure for it in requirements for failure in _failures_of(it, subject)]


def _failures_of(requirement: Requirement, subject: Report | Comparison) -> Iterator[Failure]:
    comparison = subject if isinstance(subject, Comparison) else None
    report = subject.second if isinstance(subject, Comparison) else subject
    text, metric = requirement.text, requirement.metric
    if comparison is not None and requirement.scope.glob:
        _refuse_only_old(requirement, *comparison.reports)
    each = metric.measure is Measure.PATTERN
    elsewhere = report.macs_elsewhere if requirement.scope.of is Of.MODEL else 0
    for group in groups(requirement.scope, report.layers, text=text, each=each):
        found = find(metric, group.layers, comparison, text=text, macs_elsewhere=elsewhere)
        if not holds(requirement.operator, found, requirement.value):
            yield Failure(requirement, group.where, f"{metric} {found.shown}")


def _refuse_only_old(requirement: Requirement, old: Report, new: Report) -> None:
    """Say so where a glob means layers that only the older checkpoint has."""
    glob = requirement.scope.glob
    here, there = ([layer.name for layer in it.layers] for it in (new, old))
    if not matching(glob, here) and (found := matching(glob, there)):
        names = "1 layer" if len(found) == 1 else f"{len(found)} layers"
        raise OptionError(
            f"--require {requirement.text}: {glob} matches {names} of {old.source.path} and none "
            f"of {new.source.path}, which requirements speak of"
        )


def holds(operator: Operator, found: Found, required: Fraction | str) -> bool:
    """Compare: exactly, but for the slack of what was found."""
    if isinstance(found.value, str) or isinstance(required, str):
        return (found.value == required) is (operator is Operator.EQUAL)
    side = _side(found, required)
    match operator:
        case Operator.AT_LEAST:
            return side >= 0
        case Operator.LESS:
            return side < 0
        case Operator.AT_MOST:
            return side <= 0
        case Operator.MORE:
            return side > 0
        case Operator.EQUAL:
            return side == 0
        case Operator.UNEQUAL:
            return side != 0
        case _:
            raise AssertionError(operator)


def _side(found: Found, required: Fraction) -> int:
    """Say where a number is: 0 at the required one, but for the slack; else 1 above, -1 below."""
    if isinstance(found.value, float):
        # As it was computed: 0.001 is 0.001, not a little more.
        return (found.value > float(required)) - (found.value < float(required))
    assert isinstance(found.value, Fraction)
    surplus = found.value - required
    if abs(surplus) <= found.slack:
        return 0
    return 1 if surplus > 0 else -1
