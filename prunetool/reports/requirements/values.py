"""The values that metrics are compared with: numbers with units, and names of patterns."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

from prunetool.reports.counting.zeropatterns import CHANNELS, ELEMENTS, GROUP_PATTERNS
from prunetool.reports.requirements.metrics import Measure
from prunetool.reports.requirements.tokens import Token
from prunetool.suggest import did_you_mean

NO_PATTERN = "none"  # of a layer without zeros
_DIGITS = "0123456789"
# Of a number: one more, such as 1e999999999, would take all memory to be held exactly.
_MOST_CHARACTERS = 40
_MOST_OF_AN_EXPONENT = 2

_NO_UNITS: Mapping[str, Fraction] = {"": Fraction(1)}
_UNITS: Mapping[Measure, Mapping[str, Fraction]] = {
    Measure.SHARE: {**_NO_UNITS, "%": Fraction(1, 100)},
    Measure.BYTES: {
        **_NO_UNITS,
        "B": Fraction(1),
        "kB": Fraction(10**3),
        "MB": Fraction(10**6),
        "GB": Fraction(10**9),
        "KiB": Fraction(2**10),
        "MiB": Fraction(2**20),
        "GiB": Fraction(2**30),
    },
    Measure.MACS: {**_NO_UNITS, "k": Fraction(10**3), "M": Fraction(10**6), "G": Fraction(10**9)},
}


def number(word: Token, measure: Measure) -> Fraction:
    """Read a number with a unit of ``measure``.

    Raises:
        OptionError: if it is none, has another unit, or cannot be a value of ``measure``.
    """
    written = _number_at_start(word.text)
    value = _exactly(written)
    if value is None:
        raise word.wrong(_expected(measure))
    unit = word.text[len(written) :].strip()
    units = _UNITS.get(measure, _NO_UNITS)
    if unit not in units:
        known = ", ".join(filter(None, units))
        raise word.wrong(
            _expected(measure),
            hint=f": '{unit}' is no unit of it" + (f", these are: {known}" if known else ""),
        )
    value *= units[unit]
    if measure is Measure.SHARE and value > 1:
        hint = f"; did you mean {written}%?" if not unit and value <= 100 else ""
        raise word.wrong(_expected(measure), hint=hint)
    if value < 0 or (not unit and not _fits(value, measure)):
        raise word.wrong(_expected(measure))
    return value


def pattern(word: Token) -> str:
    """Read the name of a pattern.

    Raises:
        OptionError: if there is none of that name.
    """
    groups = [f"{kept}:{group}" for kept, group in GROUP_PATTERNS]
    known = [ELEMENTS, *groups, f"{CHANNELS}:0", NO_PATTERN]
    kind, _, dim = word.text.partition(":")
    if word.text in known or (kind == CHANNELS and _behind_digits(dim, 0) == len(dim) > 0):
        return word.text
    raise word.wrong(
        f"a pattern ({', '.join(known)}) such as in 'pattern==2:4'",
        hint=did_you_mean(word.text, known),
    )


def _fits(value: Fraction, measure: Measure) -> bool:
    """Say whether a number without a unit can be a value: there are no halves of elements."""
    return measure in (Measure.SHARE, Measure.CHANGE) or value.denominator == 1


def _expected(measure: Measure) -> str:
    match measure:
        case Measure.SHARE:
            return "a fraction or a percentage from 0 to 1 such as in 'sparsity>=0.9' or '>=90%'"
        case Measure.COUNT:
            return "a whole number such as in 'zeros>=1000'"
        case Measure.BYTES:
            return "a whole number of bytes, or one with a unit, such as in 'bytes<=1.5MB'"
        case Measure.MACS:
            return "a whole number, or one with k, M or G, such as in 'macs<=1.5M'"
        case Measure.CHANGE:
            return "a number from 0 on such as in 'largest_change<=1e-3'"
        case _:
            raise AssertionError(measure)


def _number_at_start(text: str) -> str:
    """Cut off ``[-+] digits [. digits] [e [-+] digits]`` or ``[-+] digits / digits``."""
    place = _behind_digits(text, 1 if text[:1] in ("-", "+") else 0)
    if text[place : place + 1] in (".", "/"):
        place = _behind_digits(text, place + 1)
    if text[place : place + 1] in ("e", "E"):
        sign = text[place + 1 : place + 2] in ("-", "+")
        place = _behind_digits(text, place + (2 if sign else 1))
    return text[:place]


def _behind_digits(text: str, place: int) -> int:
    while place < len(text) and text[place] in _DIGITS:
        place += 1
    return place


def _exactly(written: str) -> Fraction | None:
    exponent = written.lower().partition("e")[2].lstrip("-+")
    if len(written) > _MOST_CHARACTERS or len(exponent) > _MOST_OF_AN_EXPONENT:
        return None
    try:
        return Fraction(written)
    except (ValueError, ZeroDivisionError):
        return None
