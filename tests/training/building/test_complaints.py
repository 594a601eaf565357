from __future__ import annotations

from enum import Enum
from typing import Literal

import pytest
from jsonargparse import ArgumentError
from torch import nn

from prunetool.training.building.annotations import parser_of
from prunetool.training.building.complaints import in_one_line


class Colour(Enum):
    RED = 1


class Inner:
    def __init__(self, width: int = 3):
        self.width = width


def build(
    count: int = 0,
    text: str = "",
    share: float | None = None,
    names: list[str] | None = None,
    kind: Literal["a", "b"] = "a",
    colour: Colour = Colour.RED,
    inner: Inner | None = None,
    layer: nn.Module | None = None,
    anything=None,
):
    return locals()


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ({"count": "x"}, "at count: expected int, got 'x'"),
        ({"count": 0.5}, "at count: expected int, got '0.5'"),
        ({"count": [1, 2]}, "at count: expected int, got '[1, 2]'"),
        ({"text": 3},
         "at text: expected str, got '3' (what YAML takes for a number, a list, ... is text in "
         "quotes)"),
        ({"share": "x"}, "at share: expected float or null, got 'x'"),
        ({"share": "x" * 99}, f"at share: expected float or null, got '{'x' * 57}...'"),
        ({"inner": {"class_path": f"{__name__}.Inner", "init_args": {"width": "x"}}},
         "at inner.init_args.width: expected int, got 'x'"),
        ({"inner": {"class_path": f"{__name__}.Inner", "init_args": {"wide": 1}}},
         "at inner: there is no argument 'wide'"),
        ({"layer": {"class_path": f"{__name__}.Inner"}},
         f"at layer: {__name__}.Inner is not a subclass of Module"),
        ({"layer": {"class_path": "Nope"}},
         "at layer: 'Nope' is neither an import path nor the name of a known class"),
    ],
)  # fmt: skip
def test_the_whole_line(arguments, line):
    with pytest.raises(ArgumentError) as caught:
        parser_of(build).parse_object(arguments, defaults=False)
    assert in_one_line(str(caught.value), lambda name: f"at {name}") == line


@pytest.mark.parametrize(
    "arguments",
    [{"kind": "c"}, {"colour": "BLUE"}, {"names": 3}, {"layer": {"class_path": "Nope"}}],
)
def test_whatever_it_is_it_is_one_line_about_the_argument(arguments):
    with pytest.raises(ArgumentError) as caught:
        parser_of(build).parse_object(arguments, defaults=False)
    line = in_one_line(str(caught.value), lambda name: f"at {name}")
    assert line.startswith(f"at {next(iter(arguments))}: ")
    assert "\n" not in line
    assert 20 < len(line) < 300
