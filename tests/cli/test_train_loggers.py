"""``--logger``: what the loggers hold is what the run says, also after it was resumed."""

from __future__ import annotations

import csv
import importlib.util
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from commandline import invoke
from project import fresh_imports, write_project


@pytest.fixture
def train(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(write_project(tmp_path))

    def run(*arguments, output="out"):
        place = ["--output", output] if output else []
        every_step = [] if "--resume" in arguments else ["--trainer", "log_every_n_steps=1"]
        return invoke(
            monkeypatch, capsys, "train", *arguments, "--accelerator", "cpu", *place, *every_step
        )

    with fresh_imports():
        yield run


def rows(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def csv_values(path, name):
    return {int(row["step"]): float(row[name]) for row in rows(path) if row[name]}


def board_values(folder, name):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder)).Reload().Scalars(name)
    assert len({event.step for event in events}) == len(events)
    return {event.step: event.value for event in events}


@pytest.mark.parametrize("target", ["net:Net", "older:Net"])
def test_every_record_of_a_run_says_the_same(train, target):
    """TensorBoard holds float32: its numbers are those of the others rounded to float32."""
    documents = {}
    for logger in ("csv", "tensorboard"):
        arguments = ("--max-epochs", "3", "--sparsity", "0.9", "--format", "json")
        result = train(target, "--logger", logger, *arguments, output=logger)
        assert result.code == 0, result.err
        documents[logger] = json.loads(result.out)
    document = documents["csv"]
    for key in ("sparsity", "metrics", "events", "epochs", "steps"):
        assert document[key] == documents["tensorboard"][key]
    table = rows("csv/metrics.csv")
    assert Path("csv/metrics.csv").read_bytes() == Path("tensorboard/metrics.csv").read_bytes()
    assert len(table) == document["epochs"] == 3

    for name in ("train_loss", "val_loss", "sparsity", "sparsity_target", "pruned_elements"):
        logged = csv_values("csv/logs/metrics.csv", name)
        board = board_values("tensorboard/logs", name)
        assert board == {step: float(np.float32(value)) for step, value in logged.items()}
        if name in table[0]:
            # The loggers count steps from 0, as Lightning does.
            ends = {int(row["step"]) - 1: row[name] for row in table}
            form = "{:.6f}" if name == "sparsity" else "{!r}"
            assert {step: form.format(logged[step]) for step in ends} == ends
        if name in document["metrics"]["last"]:
            assert document["metrics"]["last"][name] == logged[max(logged)]
    logged = csv_values("csv/logs/metrics.csv", "sparsity")
    for event in document["events"]:
        assert logged[event["step"] - 1] == event["achieved"]
    assert logged[max(logged)] == document["sparsity"]["achieved"]
    pruned = csv_values("csv/logs/metrics.csv", "pruned_elements")
    assert pruned[max(pruned)] == document["sparsity"]["pruned"]


@pytest.mark.parametrize("logger", ["csv", "tensorboard"])
def test_a_resumed_run_goes_on_with_its_log(train, logger):
    assert train("net:Net", "--max-epochs", "4", "--logger", logger, output="whole").code == 0
    shutil.copytree("whole", "cut")
    # As if it had been killed in the second half: the state of epoch 2, the log of more.
    assert train("net:Net", "--max-epochs", "2", "--end", "3", "--logger", logger).code == 1
    shutil.copy("out/checkpoints/last.ckpt", "cut/checkpoints/last.ckpt")
    Path("cut/report.json").unlink()
    if logger == "csv":
        with open("cut/logs/metrics.csv", "a") as file:
            file.write("3,2")  # torn
    result = train("cut", "--resume", output=None)
    assert result.code == 0, result.err
    assert "logs directory" not in result.err
    if logger == "csv":
        before, after = (rows(f"{it}/logs/metrics.csv") for it in ("whole", "cut"))
        assert [(r["step"], r["epoch"]) for r in after] == [(r["step"], r["epoch"]) for r in before]
        assert after[:10] == before[:10]
        assert not list(Path("cut/logs").glob(".*"))
    else:
        before, after = (board_values(f"{it}/logs", "val_loss") for it in ("whole", "cut"))
        assert list(before) == list(after) == [3, 7, 11, 15]


def test_a_log_that_a_kill_left_aside_is_taken_up(train):
    assert train("net:Net", "--max-epochs", "2", "--logger", "csv").code == 0
    before = rows("out/logs/metrics.csv")
    Path("out/logs/metrics.csv").rename("out/logs/.metrics.csv.old")
    assert train("out", "--resume", "--max-epochs", "3", output=None).code == 0
    assert rows("out/logs/metrics.csv")[: len(before)] == before


def test_each_round_has_a_log_of_its_own(train):
    ticket = ("--lottery-ticket", "--rounds", "2", "--max-epochs", "1", "--logger", "csv")
    assert train("net:Net", *ticket).code == 0
    last = [rows(f"out/logs/round-{number}/metrics.csv")[-1] for number in (1, 2)]
    assert [row["step"] for row in last] == ["3", "3"]
    assert [csv_values(f"out/logs/round-{n}/metrics.csv", "sparsity")[3] for n in (1, 2)] == [
        0,
        0.5,
    ]


def test_force_keeps_the_old_log_until_the_new_run_works(train):
    assert train("net:Net", "--max-epochs", "1", "--logger", "csv").code == 0
    before = Path("out/logs/metrics.csv").read_bytes()
    Path("out/logs/notes.txt").write_text("mine")
    failed = train("net:BreaksInTraining", "--logger", "csv", "--force")
    assert failed.code == 2
    assert Path("out/logs/metrics.csv").read_bytes() == before
    assert train("net:Net", "--max-epochs", "2", "--logger", "csv", "--force").code == 0
    assert max(csv_values("out/logs/metrics.csv", "val_loss")) == 7
    assert Path("out/logs/notes.txt").read_text() == "mine"


def test_a_run_that_fails_at_once_leaves_no_log(train):
    assert train("net:Net", "--logger", "csv", "--include", "no.*").code == 2
    assert not Path("out/logs").exists()


def test_none_leaves_no_log(train):
    assert train("net:Net", "--max-epochs", "1", "--logger", "none").code == 0
    assert not Path("out/logs").exists()


@pytest.mark.parametrize(
    ("arguments", "fragment"),
    [
        (
            ["--logger", "csvv"],
            "--logger csvv: expected one of csv, tensorboard, none; did you mean",
        ),
        (["--logger", "csv", "--trainer", "logger=true"], "two answers to one question"),
    ],
)
def test_bad_input(train, arguments, fragment):
    result = train("net:Net", *arguments)
    assert result.code == 2
    assert fragment in result.err


def test_a_missing_package_is_said_before_any_work(train, monkeypatch):
    monkeypatch.setattr("prunetool.training.recording.loggers.find_spec", lambda name: None)
    result = train("net:Net", "--logger", "tensorboard")
    assert (result.code, result.err) == (
        2,
        "error: --logger tensorboard: needs the package tensorboard: "
        "pip install 'prunetool[tensorboard]'\n",
    )
    assert importlib.util.find_spec("tensorboard") is not None
