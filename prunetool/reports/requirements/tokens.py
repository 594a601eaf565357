"""The pieces that a requirement is written with: words, colons and comparisons, and where they are.

What stands in brackets belongs to a word whatever it is: ``[!:]*`` is a glob, with no colon in it.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import dataclass

from prunetool.errors import OptionError

_COMPARING = "<>=!"


class Operator(enum.StrEnum):
    """A comparison, as it is written."""

    AT_LEAST = ">="
    AT_MOST = "<="
    EQUAL = "=="
    UNEQUAL = "!="
    MORE = ">"
    LESS = "<"


class Kind(enum.Enum):
    """What a piece is."""

    WORD = enum.auto()  # a scope, a metric or a value: it is the place that tells
    COLON = enum.auto()
    COMPARISON = enum.auto()  # a row of <, >, = and !, not necessarily an operator


@dataclass(frozen=True)
class Token:
    """A piece of a requirement.

    Attributes:
        whole: the requirement.
        start: how many characters of it stand before.
        stop: behind its last character.
    """

    kind: Kind
    whole: str
    start: int
    stop: int

    @property
    def text(self) -> str:
        """As it is written, without the blanks around."""
        return self.whole[self.start : self.stop].strip()

    def wrong(self, expected: str, *, hint: str = "") -> OptionError:
        """Say that something else should be here: where, what is, and what was expected."""
        blanks = len(self.whole) - len(self.whole[self.start :].lstrip()) - self.start
        place = self.start + 1 + (blanks if self.text else 0)
        found = f"'{self.text}'" if self.text else "nothing"
        return OptionError(
            f"--require {self.whole}: expected {expected}, got {found} at character {place}{hint}"
        )


def tokens(text: str) -> list[Token]:
    """Cut a requirement into its pieces; every character but blanks is in one of them."""
    found: list[Token] = []
    begun = 0
    for kind, start, stop in _marks(text):
        found += _word(text, begun, start)
        found.append(Token(kind, text, start, stop))
        begun = stop
    return found + _word(text, begun, len(text))


def _word(text: str, start: int, stop: int) -> list[Token]:
    return [Token(Kind.WORD, text, start, stop)] if text[start:stop].strip() else []


def _marks(text: str) -> Iterator[tuple[Kind, int, int]]:
    """Yield the colons and the comparisons outside of brackets."""
    place = 0
    while place < len(text):
        stop = _behind(text, place)
        if text[place] == ":":
            yield Kind.COLON, place, stop
        elif text[place] in _COMPARING and text[place:stop].strip("!"):
            yield Kind.COMPARISON, place, stop
        place = stop


def _behind(text: str, place: int) -> int:
    """Say where the bracket, the row of comparing characters or the character here ends."""
    if text[place] == "[":
        first = place + (2 if text[place + 1 : place + 2] == "!" else 1)
        # As in every glob, a closing bracket that comes first is one of the characters.
        return text.find("]", first + 1) + 1 or place + 1
    stop = place + 1
    while text[place] in _COMPARING and stop < len(text) and text[stop] in _COMPARING:
        stop += 1
    return stop
