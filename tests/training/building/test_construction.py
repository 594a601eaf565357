from __future__ import annotations

import pytest

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


def test_accepted_names():
    assert accepted(pair, ["second", "third"]) == ["second"]
    assert accepted(anything, ["second", "third"]) == ["second", "third"]
