from __future__ import annotations

import pytest

from prunetool.checkpoints.names import printable
from prunetool.reports.rendering.cells import (
    bar,
    dead_text,
    note_text,
    percent,
    quantity,
    shape_text,
)
from prunetool.reports.statistics import Count, Layer


def layer(zeros, of=1000, *, prunable=True, dead=(0, 0)):
    count = Count(of, zeros)
    return Layer("w", (of, 1), "float32", count, prunable, prunable, None, of, of, dead)


@pytest.mark.parametrize(
    ("fraction", "expected"),
    [(0, "0.00 %"), (1, "100.00 %"), (2 / 3, "66.67 %"), (1 - 1e-9, "99.99 %"), (1e-9, "0.01 %")],
)
def test_only_all_is_all_and_only_nothing_is_nothing(fraction, expected):
    assert percent(fraction) == expected


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1 kB"),
        (1234, "1.23 kB"),
        (999_499, "999 kB"),
        (999_500, "1 MB"),
        (1_250_000, "1.25 MB"),
        (7 * 10**12, "7 TB"),
    ],
)
def test_sizes_for_people(number, expected):
    assert quantity(number, "B", human=True) == expected
    assert quantity(number, "B", human=False) == str(number)


def test_numbers_of_no_unit():
    assert quantity(12, "", human=True) == "12"
    assert quantity(123_456_789, "", human=True) == "123 M"


def test_bars():
    assert bar(Count(8, 4), width=4, ascii_only=False) == "██  "
    assert bar(Count(32, 17), width=4, ascii_only=False) == "██▏ "
    assert bar(Count(8, 8), width=4, ascii_only=False) == "████"
    assert bar(Count(8, 4), width=4, ascii_only=True) == "##.."
    assert bar(Count(0, 0), width=4, ascii_only=True) == "...."


def test_layers_with_almost_nothing_left_are_marked():
    assert note_text(layer(1000)) == "empty"
    assert note_text(layer(991)) == "<1 % left"
    assert note_text(layer(990)) == ""
    assert note_text(layer(0, of=0)) == ""
    # Biases begin as zeros.
    assert note_text(layer(1000, prunable=False, dead=())) == ""
    assert note_text(layer(1000, prunable=False)) == "empty"


def test_dead_channels():
    assert [dead_text(layer(1, dead=it)) for it in ((3, 1), (0, 0), ())] == ["3+1", "0+0", ""]
    assert dead_text(layer(0)) == ""


def test_shapes_and_names():
    assert (shape_text((80, 40, 3, 3)), shape_text(())) == ("80x40x3x3", "scalar")
    assert printable("a\nb\x1b[31m层") == "a\\nb\\x1b[31m层"
