from __future__ import annotations

import pytest

from prunetool.errors import OptionError, OutputError
from prunetool.training.options.config import override, read_config, write_config
from prunetool.training.options.options import from_values


def test_what_is_written_can_be_read(tmp_path):
    options = from_values(
        {
            "target": "net:Net",
            "amount": 1e-3,
            "model_arg": {"widths": [1, 2]},
            "pattern": "channels",
            "dim": 0,
            "norm": "-inf",
        }
    )
    path = tmp_path / "config.yaml"
    write_config(path, options)
    assert from_values(read_config(path)) == options
    assert path.read_text().startswith("# Repeat this run with: prunetool train --config ")
    assert [p.name for p in tmp_path.iterdir()] == ["config.yaml"]


@pytest.mark.parametrize(
    ("base", "given", "merged"),
    [
        ({"seed": 1, "dim": 0}, {"seed": 2}, {"seed": 2, "dim": 0}),
        ({"amount": 0.2}, {"sparsity": 0.9}, {"sparsity": 0.9}),
        ({"sparsity": 0.9}, {"amount": 0.2}, {"amount": 0.2}),
        ({"model_arg": {"a": 1, "b": 1}}, {"model_arg": {"b": 2}}, {"model_arg": {"a": 1, "b": 2}}),
        ({}, {"amount": 0.2, "sparsity": 0.9}, {"amount": 0.2, "sparsity": 0.9}),
        ({"sparsity": 0.9, "schedule": "linear"}, {"amount": 0.2}, {"amount": 0.2}),
        ({"pruning_fn": "l1_unstructured"}, {"pattern": "2:4"}, {"pattern": "2:4"}),
        ({"criterion": "random", "pattern": "2:4"}, {"pruning_fn": "x:Y"}, {"pruning_fn": "x:Y"}),
        ({"global": False}, {"allocation": "erk"}, {"allocation": "erk"}),
        ({"allocation": "erk"}, {"global": True}, {"global": True}),
        (
            {"trainer": {"logger": {}, "a": 1}},
            {"logger": "none"},
            {"trainer": {"a": 1}, "logger": "none"},
        ),
    ],
)
def test_the_command_line_wins(base, given, merged):
    assert override(base, given) == merged


@pytest.mark.parametrize(
    ("text", "fragment"),
    [
        (None, "No such file"),
        ("a: [1", r"not YAML \(line 1\): expected ',' or '\]', but got '<stream end>'"),
        ("a:\n\t- 1", r"not YAML \(line 2\): found character '\\t' that cannot start any token"),
        ("a: *b", r"not YAML \(line 1\): found undefined alias 'b'"),
        ("a: 1\n---\nb: 1", r"line 2\): expected a single document .*, but found another document"),
        ("data: a\ntrainer: {}\ndata: b", r"not YAML \(line 3\): the key 'data' is there twice"),
        ("trainer: {a: 1, a: 2}", r"not YAML \(line 1\): the key 'a' is there twice"),
        ("[" * 5000, "not YAML: nested too deeply"),
        ("a: \0", "not YAML: unacceptable character #x0000"),
        (b"a: \xff", r"not YAML \(byte 3\): expected UTF-8"),
        ("- 1", "expected sections as LightningCLI writes them .* got a list"),
        ("seed: 1", "no section 'seed'; expected seed_everything, "),
    ],
)
def test_what_is_no_config(tmp_path, text, fragment):
    path = tmp_path / "config.yaml"
    if text is not None:
        path.write_bytes(text.encode() if isinstance(text, str) else text)
    with pytest.raises(OptionError, match=fragment):
        read_config(path)


def test_a_merged_key_may_be_overridden(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text("trainer: &a {x: 1}\nmodel: {class_path: t, init_args: {<<: *a, x: 2}}\n")
    assert read_config(path)["model_arg"] == {"x": 2}


def test_a_folder_that_is_gone(tmp_path):
    with pytest.raises(OutputError, match="cannot be written: No such file"):
        write_config(tmp_path / "gone" / "config.yaml", from_values({"target": "t"}))


OF_0_1_0 = """\
prunetool: 0.1.0
target: net:Net
model_arg: {}
include: []
global: null
pruning_fn: random_structured
dim: 0
norm: 2
pattern: null
amount: 0.25
sparsity: null
schedule: cubic
apply_pruning: true
lottery_ticket: true
rewind_step: 2
resample: false
max_epochs: 3
"""


def test_a_file_of_0_1_0_keeps_its_meaning(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(OF_0_1_0)
    options = from_values(read_config(path))
    assert (options.schedule, options.norm, options.rewind_step) == (None, None, 2)
    # A reset after each event of one training, which True no longer means.
    assert (options.lottery_ticket, options.in_rounds) == ("all", False)


def test_a_flat_file_with_rounds_is_taken_at_its_word(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text("prunetool: 0.1.0\ntarget: net:Net\nlottery_ticket: true\nrounds: null\n")
    assert from_values(read_config(path)).in_rounds


def test_a_file_of_today_is_taken_at_its_word(tmp_path):
    path = tmp_path / "config.yaml"
    options = from_values({"target": "net:Net", "lottery_ticket": True})
    write_config(path, options)
    assert from_values(read_config(path)) == options
    assert options.in_rounds
