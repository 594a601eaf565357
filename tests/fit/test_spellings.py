from __future__ import annotations

import inspect

import pytest
from jsonargparse import ArgumentParser
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import Callback
from torch import nn
from torch.nn.utils.prune import BasePruningMethod

from prunetool import ModelPruning
from prunetool.fit.choice import documented_sites
from prunetool.fit.spellings import as_amount, as_choice, as_curve, as_list, as_method

HERE = __name__
number = 3


class Own(BasePruningMethod):
    PRUNING_TYPE = "unstructured"

    def compute_mask(self, t, default_mask):
        return default_mask


def half(epoch):
    return 0.5


def even(epoch):
    return epoch % 2 == 0


def test_amounts():
    assert [as_amount(it) for it in (0.5, 3, "0.25", "7", half)] == [0.5, 3, 0.25, 7, half]
    assert isinstance(as_amount("7"), int)
    assert as_amount(f"{HERE}:half") is half
    assert as_amount(f"{HERE}.half") is half


def test_choices_of_epochs():
    assert [as_choice("x", it) for it in (True, False, "true", "False", even)] == [
        True, False, True, False, even,
    ]  # fmt: skip
    chosen = as_choice("x", "2-6/2,15")
    assert [epoch for epoch in range(20) if chosen(epoch)] == [2, 4, 6, 15]
    assert as_choice("x", f"{HERE}.even") is even


def test_curves_methods_and_lists():
    assert as_curve("cubic") == "cubic"
    assert as_curve(f"{HERE}.half") is half
    assert as_method("l1_unstructured") == "l1_unstructured"
    assert as_method(Own) is as_method(f"{HERE}.Own") is Own
    assert as_method({"class_path": f"{HERE}.Own", "init_args": {}}) is Own
    assert (as_list(None), as_list("a.*"), as_list(("a", "b"))) == ([], ["a.*"], ["a", "b"])


@pytest.mark.parametrize(
    ("arguments", "fragment"),
    [
        ({"amount": "much"}, "`amount` should be an int, a float or a callable .* got 'much'"),
        ({"amount": f"{HERE}.hal"}, "did you mean 'half'"),
        ({"amount": f"{HERE}.number"}, "expected a number, or the import path of a function"),
        ({"apply_pruning": "5-2"}, "`apply_pruning` 5-2: the range ends before it begins"),
        ({"use_lottery_ticket_hypothesis": "x"}, "`use_lottery_ticket_hypothesis`: expected true"),
        ({"schedule": "cubi"}, "did you mean 'cubic'"),
        ({"sparsity": 0.5, "schedule": "no_such.curve"}, "no module named 'no_such'"),
        ({"pruning_fn": {"class_path": f"{HERE}.Own", "init_args": {"a": 1}}}, "class itself"),
        ({"pruning_fn": f"{HERE}.half"}, "expected to be a str in"),
    ],
)
def test_what_is_refused(arguments, fragment):
    with pytest.raises(MisconfigurationException, match=fragment):
        ModelPruning(**arguments)


def test_parameters_by_name():
    model = nn.Sequential(nn.Linear(2, 2), nn.Sequential(nn.Linear(2, 2)))
    sites = documented_sites(model, ["1.0.weight", (model[0], "bias")], ())
    assert sites == [(model[1][0], "weight"), (model[0], "bias")]
    with pytest.raises(MisconfigurationException, match=r"named '1\.0\.wieght'; did you"):
        documented_sites(model, ["1.0.wieght"], ())


# --- as LightningCLI reads them -----------------------------------------------------------------


@pytest.fixture(scope="module")
def parser():
    parser = ArgumentParser(exit_on_error=False)
    parser.add_argument("--callbacks", type=list[Callback])
    return parser


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("amount", "0.5", 0.5),
        ("amount", "3", 3),
        ("amount", f"{HERE}.half", f"{HERE}.half"),
        ("apply_pruning", "false", False),
        ("apply_pruning", "2-10/2,15", "2-10/2,15"),
        ("use_lottery_ticket_hypothesis", f"{HERE}.even", f"{HERE}.even"),
        ("pruning_fn", f"{HERE}.Own", f"{HERE}.Own"),
        ("pruning_fn", f"{{class_path: {HERE}.Own}}", {"class_path": f"{HERE}.Own"}),
        ("parameters_to_prune", "[a.weight, b]", ["a.weight", "b"]),
        ("parameter_names", "[weight]", ["weight"]),
        ("pruning_norm", "2", 2),
        ("pruning_norm", "inf", "inf"),
        ("sparsity", "0.9", 0.9),
        ("schedule", "linear", "linear"),
        ("start", "500s", "500s"),
        ("start", "3", 3),
        ("include", "[a.*]", ["a.*"]),
        ("exclude", "b.*", "b.*"),
        ("pattern", "2:4", "2:4"),
        ("max_layer_sparsity", "0.99", 0.99),
    ],
)
def test_every_argument_has_a_form_in_yaml(parser, name, text, value):
    path = "prunetool.ModelPruning"
    parsed = parser.parse_args([f"--callbacks+={path}", f"--callbacks.{name}={text}"])
    again = parser.parse_string(parser.dump(parsed))
    for config in (parsed, again):
        assert dict(config.callbacks[0].init_args)[name] == value
    (callback,) = parser.instantiate(again).callbacks
    assert type(callback) is ModelPruning


def test_the_help_has_a_type_and_a_sentence_for_every_argument(parser, capsys):
    with pytest.raises(SystemExit):
        parser.parse_args(["--callbacks.help=prunetool.ModelPruning"])
    text = capsys.readouterr().out
    entries = text.split("\n  --callbacks.")[1:]
    assert len(entries) == len(inspect.signature(ModelPruning).parameters)
    for entry in entries:
        name, words = entry.split(maxsplit=1)
        said, typed, _ = " ".join(words.split()).partition("(type: ")
        assert typed, name
        assert len(said) > 40, name
    assert len(text.splitlines()) < 250, "a type that lists every nn.Module there is"
