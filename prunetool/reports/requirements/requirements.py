"""The language of requirements: ``[SCOPE:]METRIC OPERATOR VALUE``.

``sparsity>=0.9``, ``encoder.*:sparsity>=50%``, ``layer:sparsity<=0.99``, ``pattern==2:4``.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from fractions import Fraction

from prunetool.errors import OptionError
from prunetool.reports.counting.zeropatterns import CHANNELS, ELEMENTS, GROUP_PATTERNS
from prunetool.suggest import did_you_mean

_EXAMPLES = "such as 'sparsity>=0.9', 'encoder.*:sparsity>=50%' or 'pattern==2:4'"


class Operator(enum.StrEnum):
    """A comparison, as it is written."""

    AT_LEAST = ">="
    AT_MOST = "<="
    EQUAL = "=="
    UNEQUAL = "!="
    MORE = ">"
    LESS = "<"


class Metric(enum.StrEnum):
    """What can be required."""

    SPARSITY = "sparsity"
    PATTERN = "pattern"


@dataclass(frozen=True)
class Requirement:
    """A parsed requirement.

    Attributes:
        text: as it was written.
        scope: a glob, ``"layer"``, or "" for the pruned set.
        value: the fraction of zeros in [0, 1], or the name of a pattern.
    """

    text: str
    scope: str
    metric: Metric
    operator: Operator
    value: Fraction | str


def parse_requirement(text: str) -> Requirement:
    """Read ``[SCOPE:]METRIC OPERATOR VALUE``.

    Raises:
        OptionError: if it is something else, with the closest known word.
    """
    left, operator, right = _split(text)
    scope, _, word = left.rpartition(":")
    scope, word = scope.strip(), word.strip()
    if word not in set(Metric):
        raise OptionError(
            f"--require {text}: expected {' or '.join(Metric)} before {operator}, got '{word}'"
            f"{did_you_mean(word, list(Metric))}"
        )
    if Metric(word) is Metric.SPARSITY:
        return Requirement(text, scope, Metric.SPARSITY, operator, _fraction(text, right))
    if operator not in (Operator.EQUAL, Operator.UNEQUAL):
        raise OptionError(f"--require {text}: a pattern is compared with == or !=, not {operator}")
    return Requirement(text, scope, Metric.PATTERN, operator, _pattern_name(text, right))


def _split(text: str) -> tuple[str, Operator, str]:
    places = [(text.find(operator), operator) for operator in Operator if operator in text]
    if not places:
        raise OptionError(f"--require {text}: expected a comparison {_EXAMPLES}")
    # The longest of those that begin together: ">=" begins with ">".
    start, operator = min(places, key=lambda place: (place[0], -len(place[1])))
    return text[:start], operator, text[start + len(operator) :].strip()


def _fraction(text: str, value: str) -> Fraction:
    number = value.removesuffix("%").strip()
    try:
        fraction = Fraction(number) / (100 if value.endswith("%") else 1)
    except (ValueError, ZeroDivisionError):
        raise OptionError(
            f"--require {text}: expected a fraction or a percentage, got '{value}'; {_EXAMPLES}"
        ) from None
    if not 0 <= fraction <= 1:
        hint = f"; did you mean {number}%?" if 1 < fraction <= 100 else ""
        raise OptionError(f"--require {text}: expected a value from 0 to 1, got '{value}'{hint}")
    return fraction


def _pattern_name(text: str, value: str) -> str:
    known = [ELEMENTS, *(f"{kept}:{group}" for kept, group in GROUP_PATTERNS), f"{CHANNELS}:0"]
    kind, _, dim = value.partition(":")
    if value in known or (kind == CHANNELS and dim.isdecimal()):
        return value
    raise OptionError(
        f"--require {text}: expected a pattern, one of {', '.join(known)}, got '{value}'"
        f"{did_you_mean(value, known)}"
    )
