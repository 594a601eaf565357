"""Lottery tickets in rounds, as they are typed and as they are shown."""

from __future__ import annotations

import csv
import os
import signal
import time
from pathlib import Path

import pytest
import torch
import yaml
from commandline import invoke
from project import SLOW, fresh_imports, write_project
from warm import Program

ROOT = Path(__file__).parents[2]


@pytest.fixture
def project(tmp_path, monkeypatch):
    (tmp_path / "slow.py").write_text(SLOW)
    monkeypatch.chdir(write_project(tmp_path))
    with fresh_imports():
        yield tmp_path


@pytest.fixture
def train(project, monkeypatch, capsys):
    def run(*arguments, epochs=1, output="out"):
        place = [] if output is None else ["--output", output, "--accelerator", "cpu"]
        length = [] if epochs is None else ["--max-epochs", epochs]
        return invoke(monkeypatch, capsys, "train", *arguments, *length, *place)

    return run


def test_what_is_said_and_shown(train):
    result = train("net:Net", "--lottery-ticket", "--rounds", "3", "--retrain", "lr")
    assert result.code == 0, result.err
    errors = result.err.splitlines()
    assert errors[1:3] == [
        "lottery ticket in 3 rounds, pruned between them, the learning rate set back to step 0",
        "density by round: 1.0000, 0.7071, 0.5000",
    ]
    epochs = [line.partition("  step")[0] for line in errors if line.startswith("round ")]
    assert epochs == [f"round {number}/3  epoch 1/1" for number in (1, 2, 3)]
    with open("out/metrics.csv", newline="") as file:
        losses = [f"{float(row['val_loss']):.6g}" for row in csv.DictReader(file)]
    lines = result.out.splitlines()
    assert [line.split() for line in lines[:5] if "─" not in line] == [
        ["round", "density", "sparsity", "val_loss", "file"],
        ["1", "1.000000", "0.000000", losses[0], "out/checkpoints/round-1.ckpt"],
        ["2", "0.708333", "0.291667", losses[1], "out/checkpoints/round-2.ckpt"],
        ["3", "0.500000", "0.500000", losses[2], "out/checkpoints/round-3.ckpt"],
    ]
    assert lines[-1] == "sparsity asked 0.500000 achieved 0.500000 pruned 36 of 72"


def test_a_bare_ticket_takes_a_fifth_of_the_rest_each_time(train):
    assert train("net:Net", "--lottery-ticket", "--quiet").code == 0
    with open("out/metrics.csv", newline="") as file:
        pruned = [round(float(row["sparsity"]) * 72) for row in csv.DictReader(file)]
    assert pruned == [0, *(round((1 - 0.5 ** (j / 4)) * 72) for j in (1, 2, 3, 4))]


def test_every_option_is_kept_in_the_config_and_repeats_the_run(train):
    options = [
        "--lottery-ticket", "--rounds", "3", "--retrain", "weights", "--rewind-step", "2",
        "--shuffle-masks", "--criterion", "saliency", "--pattern", "2:4", "--allocation", "erk",
        "--max-layer-sparsity", "0.9", "--min-layer-density", "0.25", "--skip-unfit",
        "--schedule", "linear",
    ]  # fmt: skip
    first = train("net:Net", *options)
    assert first.code == 0, first.err
    config = yaml.safe_load(Path("out/config.yaml").read_text())["pruning"]
    expected = {
        "lottery_ticket": True, "rounds": 3, "retrain": "weights", "rewind_step": 2,
        "shuffle_masks": True, "criterion": "saliency", "pattern": "2:4", "allocation": "erk",
        "max_layer_sparsity": 0.9, "min_layer_density": 0.25, "skip_unfit": True,
        "schedule": "linear", "sparsity": 0.5, "pruning_fn": None,
    }  # fmt: skip
    assert {key: config[key] for key in expected} == expected
    again = train("--config", "out/config.yaml", output="again", epochs=None)
    assert again.code == 0, again.err
    assert Path("out/metrics.csv").read_text() == Path("again/metrics.csv").read_text()


@pytest.mark.parametrize(
    ("arguments", "fragment"),
    [
        (["--lottery-ticket=0-3", "--rounds", "3"], "--rounds: belongs to a ticket of several tra"),
        (["--lottery-epochs", "all", "--shuffle-masks"], "--shuffle-masks: belongs to a ticket of"),
        (["--rounds", "3"], "--rounds: belongs to lottery tickets; add --lottery-ticket"),
        (["--lottery-ticket", "--rewind-step", "4"], "--rewind-step 4: a round has only 4 steps"),
        (["--lottery-ticket", "--rounds", "many"], "Invalid value for '--rounds'"),
        (["--lottery-ticket=true", "--amount", "0.5"], "--amount 0.5: how often? add --rounds"),
    ],
)
def test_refused_in_one_line(train, arguments, fragment):
    result = train("net:Net", *arguments)
    (error,) = [line for line in result.err.splitlines() if line.startswith("error: ")]
    assert (result.code, result.out) == (2, ""), result.err
    assert fragment in error
    assert not Path("out/checkpoints/last.ckpt").exists()


def start(project, *arguments):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return Program("-m", "prunetool", "train", *arguments, folder=project, environment=environment)


def test_ctrl_c_in_a_later_round_and_a_resume(project):
    options = (
        "slow:Slow", "--max-epochs", "2", "--accelerator", "cpu", "--lottery-ticket", "--rounds",
        "3", "--rewind-step", "1",
    )  # fmt: skip
    whole = start(project, *options, "--output", "whole")
    parts = start(project, *options, "--output", "parts")
    for line in parts.stderr:
        if line.startswith("round 2/3  epoch 1/2"):
            break
    time.sleep(0.12)  # into the next epoch
    parts.send_signal(signal.SIGINT)
    out, err = parts.communicate(timeout=600)
    assert (parts.returncode, out) == (130, ""), err
    assert "go on with: prunetool train parts --resume" in err

    resumed = start(project, "parts", "--resume")
    shown = [process.communicate(timeout=600)[0] for process in (whole, resumed)]
    assert (whole.returncode, resumed.returncode) == (0, 0)
    assert shown[0].replace("whole/", "parts/") == shown[1]
    first, second = (
        torch.load(project / folder / "checkpoints/last.ckpt")["state_dict"]
        for folder in ("whole", "parts")
    )
    assert all(torch.equal(first[name], second[name]) for name in first)
