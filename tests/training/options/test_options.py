from __future__ import annotations

import pytest

from prunetool.errors import OptionError
from prunetool.training.options.options import TrainOptions, from_values


def test_the_defaults():
    options = from_values({"target": "net:Net"})
    assert options == TrainOptions("net:Net", sparsity=0.5, max_epochs=10)


@pytest.mark.parametrize(("pattern", "sparsity"), [("2:4", 0.5), ("1:4", 0.75), ("channels", 0.5)])
def test_an_n_m_pattern_is_filled_unless_told_otherwise(pattern, sparsity):
    dim = {"dim": 0} if pattern == "channels" else {}
    assert from_values({"target": "t", "pattern": pattern, **dim}).sparsity == sparsity
    assert (
        from_values({"target": "t", "pattern": pattern, "sparsity": 0.25, **dim}).sparsity == 0.25
    )


def test_steps_alone_set_the_length():
    options = from_values({"target": "net:Net", "max_steps": 100})
    assert (options.max_epochs, options.max_steps) == (None, 100)


def test_an_amount_leaves_no_sparsity():
    assert from_values({"target": "t", "amount": 0.2}).sparsity is None


def test_values_keep_their_meaning():
    options = from_values(
        {"target": "t", "include": ["a.*"], "global": False, "start": "500s", "devices": [0, 1]}
    )
    assert options.include == ("a.*",)
    assert options.global_ is False
    assert options.start == "500s"
    assert options.devices == [0, 1]


def test_written_and_read_again():
    options = from_values({"target": "t", "sparsity": 0.9, "exclude": ["b"], "global": True})
    assert from_values(options.as_config()) == options


@pytest.mark.parametrize(
    ("values", "fragment"),
    [
        ({}, "TARGET is missing"),
        ({"sparsty": 0.5}, "no option 'sparsty'; did you mean 'sparsity'"),
        ({"sparsity": 0.5, "amount": 0.2}, "--amount and --sparsity exclude each other"),
        ({"sparsity": 1.0}, "--sparsity 1.0: expected a fraction in [0, 1)"),
        ({"sparsity": -0.1}, "--sparsity -0.1: expected a fraction in [0, 1)"),
        ({"sparsity": "half"}, "--sparsity half: expected a fraction in [0, 1), such as 0.9"),
        ({"sparsity": float("nan")}, "--sparsity nan: expected"),
        ({"amount": 1.5}, "--amount 1.5: expected a fraction in [0, 1], or an int"),
        ({"amount": -3}, "--amount -3: expected 0 or more"),
        ({"max_epochs": 0}, "--max-epochs 0: expected 1 or more"),
        ({"max_epochs": True}, "--max-epochs True: expected an integer"),
        ({"max_steps": -1}, "--max-steps -1: expected 1 or more"),
        ({"rewind_step": -1}, "--rewind-step -1: expected 0 or more"),
        ({"seed": -1}, "--seed -1: expected 0 or more"),
        ({"schedule": "cubik"}, "--schedule cubik: expected one of one-shot"),
        ({"include": "a.*"}, "--include a.*: expected a list of names"),
        ({"trainer": [1]}, "--trainer [1]: expected KEY=VALUE"),
    ],
)
def test_values_that_mean_nothing(values, fragment):
    with pytest.raises(OptionError) as error:
        from_values({"target": "net:Net", **values} if values else {})
    assert fragment in str(error.value)
