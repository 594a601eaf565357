from __future__ import annotations

import pytest

from prunetool.errors import OptionError
from prunetool.training.options.values import load_yaml, parse_pairs


def test_values_are_yaml():
    pairs = ["a=1", "b=0.5", "c=text", "d=[1, x]", "e={k: v}", "f=true", "g=null", "h=", "i=a=b"]
    assert parse_pairs(pairs, option="--model-arg") == {
        "a": 1,
        "b": 0.5,
        "c": "text",
        "d": [1, "x"],
        "e": {"k": "v"},
        "f": True,
        "g": None,
        "h": None,
        "i": "a=b",
    }


@pytest.mark.parametrize(
    ("text", "number"), [("1e-3", 1e-3), ("1E5", 1e5), ("-2e+2", -200.0), ("1.5e-4", 1.5e-4)]
)
def test_scientific_notation_is_a_float(text, number):
    assert load_yaml(text) == number
    assert isinstance(load_yaml(text), float)


@pytest.mark.parametrize("text", ["1e", "e3", "1e-3x", "v1e3", "16-mixed", "500s"])
def test_what_only_resembles_a_number_is_text(text):
    assert load_yaml(text) == text


def test_the_last_value_of_a_key_counts():
    assert parse_pairs(["a=1", "a=2"], option="--trainer") == {"a": 2}


@pytest.mark.parametrize(
    ("pair", "fragment"),
    [
        ("hidden", "--model-arg hidden: expected KEY=VALUE"),
        ("=3", "--model-arg =3: expected KEY=VALUE"),
        ("my-key=3", "--model-arg my-key=3: expected KEY=VALUE"),
        ("a=[1", "--model-arg a=[1: the value is not YAML"),
        ("a=!!python/object/apply:os.getcwd []", "the value is not YAML"),
    ],
)
def test_bad_pairs(pair, fragment):
    with pytest.raises(OptionError) as error:
        parse_pairs([pair], option="--model-arg")
    assert fragment in str(error.value)
