"""Epochs as text, on the command line or in YAML: ``2-10/2,15`` is 2, 4, 6, 8, 10 and 15."""

from __future__ import annotations

import re
from dataclasses import dataclass

from prunetool.errors import OptionError

_PART = re.compile(r"(\d+)(?:-(\d+)(?:/(\d+))?)?")
_LOOKS_LIKE = re.compile(r"[\d\s,/-]+")


def is_epochs(text: str) -> bool:
    """Tell a list of epochs, well formed or not, from an import path."""
    return _LOOKS_LIKE.fullmatch(text) is not None


def parse_epochs(text: str, *, option: str) -> frozenset[int]:
    """Read a list of epochs, ranges (both ends included) and ranges with a step.

    Raises:
        OptionError: naming the part that is none of these.
    """
    return frozenset(epoch for part in text.split(",") for epoch in _range(part.strip(), option))


def _range(part: str, option: str) -> range:
    found = _PART.fullmatch(part)
    if found is None:
        raise OptionError(f"{option} {part}: expected epochs as 3, 2-10 or 2-10/2")
    first, last, step = (int(group) if group else None for group in found.groups())
    assert first is not None
    if last is not None and last < first:
        raise OptionError(f"{option} {part}: the range ends before it begins")
    if step == 0:
        raise OptionError(f"{option} {part}: a step of 0 leads nowhere")
    return range(first, (first if last is None else last) + 1, step or 1)


@dataclass(frozen=True)
class ChosenEpochs:
    """A function of the epoch (from 0, as Lightning counts) that says whether it was chosen."""

    epochs: frozenset[int]

    def __call__(self, epoch: int) -> bool:
        """Say whether ``epoch`` was chosen."""
        return epoch in self.epochs
