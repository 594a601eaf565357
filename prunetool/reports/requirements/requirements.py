"""The language of requirements, read by recursive descent.

::

    requirement = [ scope ":" ] metric operator value
    scope       = "model" | "layer" | glob | "layer" blank glob
    metric      = "sparsity" | "density" | "zeros" | ...   see ``metrics.py``
    operator    = ">=" | "<=" | "==" | "!=" | ">" | "<"
    value       = number [ unit ] | pattern                see ``values.py``

A scope may have colons and comparisons in it, as names may: it ends at the colon before the first
metric that a comparison follows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from prunetool.errors import OptionError
from prunetool.reports.requirements.metrics import Measure, Metric
from prunetool.reports.requirements.scopes import Scope, scope_of
from prunetool.reports.requirements.tokens import Kind, Operator, Token, tokens
from prunetool.reports.requirements.values import number, pattern
from prunetool.suggest import did_you_mean

_EXAMPLES = "such as 'sparsity>=0.9', 'encoder.*:sparsity>=50%' or 'pattern==2:4'"
_PATTERN_OPERATORS = (Operator.EQUAL, Operator.UNEQUAL)


@dataclass(frozen=True)
class Requirement:
    """A parsed requirement.

    Attributes:
        text: as it was written.
        value: a number in the unit of the metric: a fraction in [0, 1], elements, bytes,
            multiply-accumulates, a distance; or the name of a pattern.
    """

    text: str
    scope: Scope
    metric: Metric
    operator: Operator
    value: Fraction | str


def parse_requirement(text: str) -> Requirement:
    """Read ``[SCOPE:]METRIC OPERATOR VALUE``.

    Raises:
        OptionError: if it is something else: where, what was expected, and an example.
    """
    found = tokens(text)
    place = _comparison(text, found)
    metric = _metric(found, place)
    operator = _operator(found[place], metric)
    value = _value(Token(Kind.WORD, text, found[place].stop, len(text)), metric)
    return Requirement(text, _scope(text, found[: place - 1]), metric, operator, value)


def _comparison(text: str, found: Sequence[Token]) -> int:
    """Find the comparison: the first behind a metric, or else the last."""
    places = [place for place, token in enumerate(found) if token.kind is Kind.COMPARISON]
    if not places:
        end = Token(Kind.WORD, text, len(text), len(text))
        raise end.wrong(f"a comparison {_EXAMPLES}")
    return next((place for place in places if _is_metric(found, place - 1)), places[-1])


def _is_metric(found: Sequence[Token], place: int) -> bool:
    """Say whether a metric is there, at the beginning or behind a colon."""
    return (
        place >= 0
        and found[place].text in set(Metric)
        and (place == 0 or found[place - 1].kind is Kind.COLON)
    )


def _metric(found: Sequence[Token], place: int) -> Metric:
    if _is_metric(found, place - 1):
        return Metric(found[place - 1].text)
    comparison = found[place]
    before = Token(Kind.WORD, comparison.whole, comparison.start, comparison.start)
    if place and found[place - 1].kind is Kind.WORD:
        before = found[place - 1]
    raise before.wrong(
        f"a metric before {comparison.text} ({', '.join(Metric)}) such as in 'sparsity>=0.9'",
        hint=did_you_mean(before.text, list(Metric)),
    )


def _operator(token: Token, metric: Metric) -> Operator:
    known = _PATTERN_OPERATORS if metric.measure is Measure.PATTERN else tuple(Operator)
    if token.text not in known:
        example = "pattern==2:4" if metric.measure is Measure.PATTERN else f"{metric}>=0"
        raise token.wrong(f"one of {' '.join(known)} such as in '{example}'")
    return Operator(token.text)


def _value(word: Token, metric: Metric) -> Fraction | str:
    if metric.measure is Measure.PATTERN:
        return pattern(word)
    return number(word, metric.measure)


def _scope(text: str, before_metric: Sequence[Token]) -> Scope:
    """Understand what stands before the metric, its colon included."""
    if not before_metric:
        return Scope()
    written = text[: before_metric[-1].start].strip()
    if not written:
        raise OptionError(
            f"--require {text}: expected a glob, 'layer' or 'model' before the colon at character "
            f"{before_metric[-1].start + 1}, such as in 'encoder.*:sparsity>=0.5'"
        )
    return scope_of(written)
