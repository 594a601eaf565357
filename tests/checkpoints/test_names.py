from __future__ import annotations

from pathlib import Path

import pytest

from prunetool.checkpoints.names import LONGEST_NAME, check_names, is_printable, shown
from prunetool.errors import CheckpointError


@pytest.mark.parametrize(
    "name", ["", "fc.weight", "blocks[0]", "a b", "gewichtsgröße", "層.重み", "a" * LONGEST_NAME]
)
def test_names_that_are_taken(name):
    assert is_printable(name)
    check_names([name], Path("a"))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a\nb", r"'a\\nb' of 3 characters"),
        ("\x1b[31mred", r"'\\x1b\[31mred'"),
        ("a\0", r"'a\\x00'"),
        ("\x9b31m", r"'\\x9b31m'"),
        ("a\u202eb", r"'a\\u202eb'"),
        ("a\u2028b", r"'a\\u2028b'"),
        ("a\ud800", r"'a\\ud800'"),
        ("x" * 10**6, r"'x{59}...' of 1000000 characters"),
        ("\n" * 10**6, r"'(\\n){29}\\...' of 1000000 characters"),
    ],
)
def test_names_that_are_refused(name, text):
    with pytest.raises(CheckpointError, match=f"^a: .* found {text}") as caught:
        check_names(["fc", 3, name], Path("a"))
    assert str(caught.value).isascii()
    assert str(caught.value).isprintable()


def test_any_value_can_be_shown():
    assert shown([1, "\n"]) == "\"[1, '\\\\\\\\n']\"" or shown([1, "\n"]).isprintable()
    assert shown("w") == "'w'"
