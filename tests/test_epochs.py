from __future__ import annotations

import pytest

from prunetool.epochs import is_epochs, parse_epochs
from prunetool.errors import OptionError


@pytest.mark.parametrize(
    ("text", "epochs"),
    [
        ("3", {3}),
        ("0,2", {0, 2}),
        ("2-5", {2, 3, 4, 5}),
        ("2-10/2,15", {2, 4, 6, 8, 10, 15}),
        ("2-9/3", {2, 5, 8}),
        ("4-4, 1", {1, 4}),
    ],
)
def test_epochs(text, epochs):
    assert is_epochs(text)
    assert parse_epochs(text, option="--apply-pruning") == epochs


@pytest.mark.parametrize(
    ("text", "fragment"),
    [
        ("5-2", "--apply-pruning 5-2: the range ends before it begins"),
        ("2-8/0", "--apply-pruning 2-8/0: a step of 0"),
        ("1,,2", "expected epochs as 3, 2-10 or 2-10/2"),
        ("3/2", "--apply-pruning 3/2: expected epochs"),
    ],
)
def test_bad_epochs(text, fragment):
    assert is_epochs(text)
    with pytest.raises(OptionError, match=fragment):
        parse_epochs(text, option="--apply-pruning")


@pytest.mark.parametrize("text", ["true", "pkg.mod:when", "v2", ""])
def test_other_values_are_not_epochs(text):
    assert not is_epochs(text)
