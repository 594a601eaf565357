from __future__ import annotations

import functools

import pytest
from torch import nn

from prunetool.errors import OptionError, TargetError, UserCodeError
from prunetool.training.building.annotations import build_object, instantiated

HERE = __name__


class Layer(nn.Module):
    def __init__(self, width: int = 2, inner: nn.Module | None = None):
        super().__init__()
        self.width, self.inner = width, inner


class Broken(nn.Module):
    def __init__(self):
        raise RuntimeError("broken")


def build(layer: nn.Module, rate: float = 0.1, name: str = "a", free=None, **more):
    return layer


def where(name):
    return f"--arg {name}"


def test_values_are_read_as_their_types_and_objects_are_built():
    layer = {
        "class_path": f"{HERE}:Layer",
        "init_args": {"width": 3, "inner": {"class_path": f"{HERE}.Layer"}},
    }
    given = {"layer": layer, "rate": "1e-3", "free": {"a": [1]}, "other": object}
    values = instantiated(build, given, where=where)
    assert type(values["layer"]) is type(values["layer"].inner) is Layer
    assert (values["layer"].width, values["layer"].inner.width) == (3, 2)
    assert (values["rate"], values["free"], values["other"]) == (1e-3, {"a": [1]}, object)
    assert "name" not in values  # the function has a default of its own
    assert layer["class_path"] == f"{HERE}:Layer"


def test_what_has_no_signature_to_read_takes_values_as_they_are():
    assert instantiated(functools.partial(build), {"rate": "x"}, where=where) == {"rate": "x"}


@pytest.mark.parametrize(
    ("value", "error", "fragment"),
    [
        ({"class_path": f"{HERE}.Layer", "init_args": {"width": "x"}}, OptionError,
         r"--arg layer\.init_args\.width: expected int, got 'x'"),
        ({"class_path": f"{HERE}.Layr"}, TargetError, r"--arg layer: class_path .* mean 'Layer'"),
        ({"class_path": "no_such.Layer"}, TargetError, "--arg layer: class_path no_such.Layer: no"),
        ({"class_path": f"{HERE}.Broken"}, UserCodeError, "building the arguments of build"),
    ],
)  # fmt: skip
def test_what_cannot_be_built(value, error, fragment):
    with pytest.raises(error, match=fragment):
        instantiated(build, {"layer": value}, where=where)


def test_one_object():
    assert type(build_object(f"{HERE}.Layer", nn.Module, where="here")) is Layer
    with pytest.raises(OptionError, match=r"here: there is no argument 'wide'"):
        build_object(
            {"class_path": f"{HERE}.Layer", "init_args": {"wide": 1}}, nn.Module, where="here"
        )
