from __future__ import annotations

import enum

import lightning.pytorch as pl
import pytest
import torch

from prunetool.errors import OptionError, UserCodeError
from prunetool.training.building.construction import accepted, construct


def pair(first, second=2):
    return first, second


def anything(**arguments):
    return arguments


def nothing():
    return "made"


def broken(value=0):
    return 1 / value


def test_arguments_are_passed_by_name():
    assert construct(pair, {"first": 1}, option="--model-arg") == (1, 2)
    assert construct(anything, {"a": 1, "b": 2}, option="--model-arg") == {"a": 1, "b": 2}
    assert construct(nothing, {}, option="--model-arg") == "made"


@pytest.mark.parametrize(
    ("builder", "arguments", "message"),
    [
        (pair, {"frist": 1}, "--data-arg frist: pair has no such argument; did you mean 'first'?"),
        (pair, {"x": 1}, "--data-arg x: pair has no such argument; it takes first, second"),
        (nothing, {"x": 1}, "--data-arg x: nothing has no such argument; it takes none"),
        (pair, {}, "pair needs the argument first: add --data-arg first=VALUE"),
    ],
)
def test_names_are_compared_with_the_signature(builder, arguments, message):
    with pytest.raises(OptionError) as error:
        construct(builder, arguments, option="--data-arg")
    assert str(error.value) == message


def test_what_the_call_raises_is_the_users():
    with pytest.raises(UserCodeError, match="calling broken") as error:
        construct(broken, {}, option="--model-arg")
    assert isinstance(error.value.__cause__, ZeroDivisionError)


class Kind(enum.Enum):
    SMALL = "small"


class Layer(torch.nn.Module):
    pass


class Nested(pl.LightningModule):
    def __init__(self, layer: torch.nn.Module, kind: Kind = Kind.SMALL, width: int = 3):
        super().__init__()
        self.save_hyperparameters()


class Recording(pl.LightningModule):
    def __init__(self, kind: Kind = Kind.SMALL, width: int = 3, rate: float = 0.1):
        super().__init__()
        self.save_hyperparameters()


@pytest.mark.parametrize(
    ("arguments", "recorded"),
    [
        ({}, {"kind": Kind.SMALL, "width": 3, "rate": 0.1}),
        ({"rate": 1}, {"kind": Kind.SMALL, "width": 3, "rate": 1.0}),
        ({"width": "4", "rate": "1e-3"}, {"kind": Kind.SMALL, "width": 4, "rate": 0.001}),
    ],
)
def test_hyperparameters_are_what_the_constructor_gets(arguments, recorded):
    module = construct(Recording, arguments, option="--model-arg")

    assert dict(module.hparams) == recorded
    assert type(module.hparams.rate) is float


def test_objects_are_recorded_as_they_were_described_beside_all_defaults():
    module = construct(Recording, {"kind": "SMALL", "rate": 1}, option="--model-arg")

    recorded = dict(module.hparams)
    assert {key: recorded[key] for key in ("kind", "width", "rate")} == {
        "kind": "SMALL", "width": 3, "rate": 1.0
    }  # fmt: skip


def test_beside_objects_defaults_are_described_too():
    """Else the checkpoint would need their code to be read."""
    layer = {"class_path": f"{__name__}.Layer"}
    module = construct(Nested, {"layer": layer}, option="--model-arg")

    recorded = dict(module.hparams)
    assert recorded["layer"] == layer
    assert (recorded["kind"], recorded["width"]) == ("SMALL", 3)


def test_accepted_names():
    assert accepted(pair, ["second", "third"]) == ["second"]
    assert accepted(anything, ["second", "third"]) == ["second", "third"]
