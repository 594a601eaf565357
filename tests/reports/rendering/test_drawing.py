"""The report of a model with 400 layers, whose names are 90 characters of what markup is made of.

The names are those that a reader greps for: they have to be complete wherever they are printed.
"""

from __future__ import annotations

import io
import re

import pytest
from rich.cells import cell_len
from rich.console import Console

from prunetool.reports.rendering.files import plain_text
from prunetool.reports.rendering.table import render_table
from prunetool.reports.statistics import Count, Layer, Macs, Report, Source

KINDS = ("[bold]", "blocks[0]", ":smile:", "[/red]", "a|_<b>`x`", "层.权重")
NAMES = [
    f"model.{KINDS[i % 6]}.layers[{i}].".ljust(80, "abcdefghi."[i % 10]) + "weight[:x:]"[:10]
    for i in range(400)
]


def layer(name, shape, zeros, **options):
    elements = 1
    for size in shape:
        elements *= size
    fields = {"masked": True, "prunable": True, "pattern": "elements" if zeros else None}
    fields |= {"bytes": 4 * elements, "sparse_bytes": 4 * (elements - zeros)}
    fields |= {"dead_channels": (3, 1) if zeros else (0, 0), **options}
    return Layer(name, shape, "float32", Count(elements, zeros), **fields)


def report(*layers):
    return Report(Source("a", "plain", None), layers)


LARGE = report(*(layer(name, (i + 1, 100), 100 * i) for i, name in enumerate(NAMES)))
SMALL = report(
    layer("encoder.weight", (100, 20), 1000, macs=Macs(123_456, 1_234)),
    layer("gone", (20, 20), 400),
    layer("scale", (), 0, dead_channels=()),
    layer("nothing", (3, 0), 0),
)


def on_terminal(table, width, **options):
    text = io.StringIO()
    Console(file=text, width=width, force_terminal=True, **options).print(table)
    return text.getvalue()


def plain(table, width):
    return on_terminal(table, width, color_system=None).splitlines()


def numbers(name, line):
    assert line.startswith(name)
    return re.findall(r"\S+", line[len(name) :])


def test_a_pipe_gets_whole_lines_without_bars():
    lines = plain_text(render_table(LARGE)).splitlines()

    assert [line for line in lines if line != line.rstrip()] == []
    for name, line, it in zip(NAMES, lines[2:402], LARGE.layers, strict=True):
        count = it.count
        expected = [f"{it.shape[0]}x100", f"{count.parameters}", f"{count.zeros}"]
        assert numbers(name, line)[:3] == expected
        assert numbers(name, line)[-3:-1] == [str(it.bytes), str(it.sparse_bytes)] or count.zeros
    assert not set("█▌…\x1b") & set("".join(lines))
    assert lines[-1].startswith("whole model ")


@pytest.mark.parametrize("width", [40, 80, 120, 200, 300])
def test_names_are_complete_and_numbers_aligned_on_a_terminal(width):
    lines = plain(render_table(LARGE), width)

    assert max(cell_len(line) for line in lines) <= width
    shown = "".join(lines)
    assert [name for name in NAMES if name not in shown] == []
    of_sparsity = [
        cell_len(line[: f"{line} ".index(" % ")]) for line in lines if " % " in line + " "
    ]
    assert len(set(of_sparsity)) == 1
    assert sum(" % " in line + " " for line in lines) == 402


def test_one_long_name_leaves_the_others_beside_their_numbers():
    long = "encoder." * 12 + "weight"
    table = render_table(report(layer(long, (10, 10), 50), *SMALL.layers))

    lines = plain(table, 80)

    assert lines[2] + lines[3] == long
    assert lines[4].split()[:2] == ["10x10", "100"]
    assert lines[5].startswith("encoder.weight  ")
    assert " 50.00 %" in lines[5]
    assert len({line.index(" % ") for line in lines if " % " in line}) == 1


def test_what_fits_depends_on_the_width():
    shown = {width: plain(render_table(SMALL), width)[0].split() for width in (60, 80, 100, 200)}

    least = ["layer", "parameters", "zeros", "sparsity", "note"]
    assert set(least) < set(shown[80]) <= set(shown[100]) < set(shown[200])
    assert shown[60] == least
    assert {"pattern", "dead", "dtype", "mask", "MACs", "effective"} < set(shown[200])


def test_sizes_have_units_on_a_terminal_only():
    wide = plain(render_table(SMALL), 200)[2]

    assert "█████ " in wide
    assert [it in wide for it in ("8 kB", "123 k", "1.23 k")] == [True] * 3
    piped = plain_text(render_table(SMALL)).splitlines()[2]
    assert [it in piped for it in (" 8000 ", " 123456 ", " 1234 ")] == [True] * 3


def test_an_empty_layer_is_called_so():
    lines = plain_text(render_table(SMALL)).splitlines()

    assert [line.split()[0] for line in lines if line.endswith(" empty")] == ["gone"]


def test_colours_only_where_they_are_wanted(monkeypatch):
    assert "\x1b[31m" in on_terminal(render_table(SMALL), 80, color_system="standard")
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[31m" not in on_terminal(render_table(SMALL), 80, color_system="standard")


def test_ascii_where_nothing_else_can_be_printed():
    binary = io.BytesIO()
    file = io.TextIOWrapper(binary, encoding="ascii")
    Console(file=file, width=200, force_terminal=True, color_system=None).print(render_table(SMALL))
    file.flush()

    lines = binary.getvalue().decode("ascii").splitlines()
    assert "#####....." in lines[2]
    assert set(lines[1].strip()) == {"-"}


def test_one_layer():
    lines = plain(render_table(report(layer("w", (2, 2), 0))), 80)

    firsts = [line.split()[0] for line in lines if line]
    assert firsts == ["layer", lines[1].strip(), "w", "pruned", "whole"]
