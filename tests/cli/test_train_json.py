"""The contract of ``train --format json``: its shape, its numbers and its exit codes."""

from __future__ import annotations

import csv
import json
import math
import os
from pathlib import Path

import pytest
import torch
import warm
from commandline import invoke
from project import fresh_imports, write_project

import prunetool
from prunetool.cli.train_json import _valid

NOISY = """
import torch
from net import Net

class Noisy(Net):
    def training_step(self, batch, batch_idx):
        print("hello from training_step")
        return super().training_step(batch, batch_idx)

    def validation_step(self, batch, batch_idx):
        self.log("val_loss", torch.tensor(float("nan")))
        self.log("val_up", torch.tensor(float(self.current_epoch)))
        self.log("val_far", torch.tensor(float("-inf")))
"""


@pytest.fixture
def train(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(write_project(tmp_path))
    Path("noisy.py").write_text(NOISY)

    def run(*arguments):
        more = ("--accelerator", "cpu", "--output", "out", "--format", "json")
        return invoke(monkeypatch, capsys, "train", *arguments, *more)

    with fresh_imports():
        yield run


def shape(value):
    """The keys of a document in their order, and the kinds of its values."""
    if isinstance(value, dict):
        return {key: shape(item) for key, item in value.items()}
    if isinstance(value, list):
        return [shape(item) for item in value[:1]]
    return type(value).__name__


SHAPE = {
    "schema": "int",
    "run": "str",
    "config": "str",
    "checkpoints": {"last": "str", "best": "str", "rounds": []},
    "sparsity": {
        "asked": "float", "achieved": "float", "pruned": "int", "elements": "int",
        "planned": "int", "reached": "bool",
    },
    "metrics": {
        "last": {"val_loss": "float", "train_loss": "float"},
        "best": {"val_loss": "float", "train_loss": "float"},
    },
    "epochs": "int",
    "steps": "int",
    "seed": "int",
    "events": [{"epoch": "int", "step": "int", "planned": "float", "achieved": "float"}],
    "rounds": [],
    "report": {"path": "str"},
}  # fmt: skip


def test_the_shape_and_the_numbers(train):
    result = train("net:Net", "--max-epochs", "3", "--monitor", "val_loss:min", "--seed", "7")
    assert result.code == 0, result.err
    document = json.loads(result.out)
    total = document["report"].pop("total")
    assert shape(document) == SHAPE
    assert json.dumps(shape(document)) == json.dumps(SHAPE)  # the order of the keys too
    assert total == json.loads(Path("out/report.json").read_text())["total"]

    with open("out/metrics.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    for name, number in document["metrics"]["last"].items():
        assert repr(number) == rows[-1][name]
    best = min((row for row in rows if row["sparsity"] == "0.500000"),
               key=lambda row: float(row["val_loss"]))  # fmt: skip
    assert repr(document["metrics"]["best"]["val_loss"]) == best["val_loss"]
    assert (document["epochs"], document["steps"], document["seed"]) == (3, 12, 7)
    weights = torch.load(document["checkpoints"]["last"], weights_only=True)["state_dict"]
    zeros = sum(int((weights[f"{it}.weight"] == 0).sum()) for it in ("first", "last"))
    assert document["sparsity"] == {
        "asked": 0.5, "achieved": 0.5, "pruned": zeros, "elements": 72, "planned": 36,
        "reached": True,
    }  # fmt: skip
    with open("out/events.csv", newline="") as file:
        events = list(csv.DictReader(file))
    assert [f"{event['achieved']:.6f}" for event in document["events"]] == [
        event["achieved"] for event in events
    ]
    for place in ("last", "best"):
        assert Path(document["checkpoints"][place]).exists()
    assert Path(document["config"]).exists()


def test_the_same_run_gives_the_same_document(train):
    first = train("net:Net", "--max-epochs", "1")
    again = train("net:Net", "--max-epochs", "1", "--force")
    assert first.out == again.out


def test_nothing_else_comes_to_stdout_and_infinities_are_null(train):
    result = train("noisy:Noisy", "--max-epochs", "2", "--quiet", "--monitor", "val_up:max")
    assert result.code == 0, result.err
    document = json.loads(result.out)
    assert "hello from training_step" in result.err
    metrics = document["metrics"]["last"]
    assert (metrics["val_loss"], metrics["val_far"], metrics["val_up"]) == (None, None, 1.0)


LOUD = """
import os
from net import Net

class Loud(Net):
    def on_train_start(self):
        os.write(1, b"raw\\n")
        os.system("echo of another program")
"""


def test_what_others_write_to_stdout_goes_to_stderr_too(tmp_path):
    """Other programs and libraries know the descriptor, not Python's ``sys.stdout``."""
    folder = write_project(tmp_path)
    (folder / "loud.py").write_text(LOUD)
    command = ["-m", "prunetool", "train", "loud:Loud", "--max-epochs", "1", "--accelerator", "cpu"]
    environment = {**os.environ, "PYTHONPATH": str(Path(prunetool.__file__).parent.parent)}
    done = warm.run(*command, "--format", "json", folder=folder, environment=environment)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["schema"] == 1
    assert "raw\nof another program\n" in done.stderr


def test_the_document_comes_with_exit_code_1_too(train):
    result = train("net:Net", "--sparsity", "0.9", "--apply-pruning", "0", "--max-epochs", "2")
    assert result.code == 1, result.err
    document = json.loads(result.out)
    assert document["sparsity"]["reached"] is False
    assert document["sparsity"]["pruned"] < document["sparsity"]["planned"]
    assert "the sparsity asked for was not reached" in result.err


@pytest.mark.parametrize(
    ("arguments", "fragment"),
    [
        (["net:Nett"], "error: net has no attribute 'Nett'"),
        (["net:Net", "--sparsity", "2"], "error: --sparsity 2: expected a fraction"),
        (["noisy:Nothing"], "error: "),
        (["net:BreaksInTraining"], "error: your code raised RuntimeError"),
    ],
)
def test_bad_input_leaves_stdout_empty(train, arguments, fragment):
    result = train(*arguments)
    assert (result.code, result.out) == (2, "")
    assert fragment in result.err


def test_another_format_is_refused(train, monkeypatch, capsys):
    result = invoke(monkeypatch, capsys, "train", "net:Net", "--format", "yaml")
    assert (result.code, result.out) == (2, "")
    assert "'yaml' is not one of 'table', 'json'" in result.err


def test_a_ticket_lists_its_rounds(train):
    result = train("net:Net", "--lottery-ticket", "--rounds", "2", "--max-epochs", "1")
    assert result.code == 0, result.err
    document = json.loads(result.out)
    assert document["checkpoints"]["rounds"] == [
        "out/checkpoints/round-1.ckpt", "out/checkpoints/round-2.ckpt"
    ]  # fmt: skip
    assert shape(document["rounds"]) == [
        {"number": "int", "epoch": "int", "step": "int", "sparsity": "float",
         "metrics": {"val_loss": "float"}}
    ]  # fmt: skip
    assert [row["sparsity"] for row in document["rounds"]] == [0.0, 0.5]


def test_only_what_is_not_finite_becomes_null():
    given = {"a": [math.nan, 1.5, {"b": -math.inf}], "c": 3, "d": "nan", "e": None}
    assert _valid(given) == {"a": [None, 1.5, {"b": None}], "c": 3, "d": "nan", "e": None}
