from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from run_on_disk import EVENTS, METRICS, make_run

from prunetool.reports.pictures.runfiles import read_run, run_of

ROUNDS = """\
round,epoch,step,sparsity,val_acc
1,1,5,0.000000,0.1
1,2,10,0.000000,0.2
2,1,5,0.500000,0.3
2,2,10,0.500000,
3,1,5,0.750000,0.5
"""


def test_a_whole_run(tmp_path):
    run = read_run(make_run(tmp_path))

    assert run.missing == {}
    assert [(it.at, it.planned, it.achieved) for it in run.events] == [
        (10, 0.4, 0.40625),
        (20, 0.75, 0.75),
    ]
    assert [(it.epoch, it.at, it.sparsity) for it in run.epochs] == [
        (1, 10, 0.40625),
        (2, 20, 0.75),
        (3, 30, 0.75),
    ]
    assert run.metrics == ("train_loss", "val_loss", "val_acc")
    assert run.epochs[2].metrics == {"train_loss": 0.5, "val_loss": 0.75, "val_acc": 0.875}
    assert run.settings["sparsity"] == 0.75
    assert list(run.start) == ["conv.weight", "<b>&.weight"]
    assert run.start_of_all is not None
    assert run.start_of_all.elements == 160
    assert not run.has_rounds


def test_steps_of_rounds_follow_each_other(tmp_path):
    events = "event,epoch,step,planned,achieved\n1,2,10,0.5,0.5\n2,2,10,,0.75\n"
    run = read_run(make_run(tmp_path, metrics=ROUNDS, events=events))

    assert run.has_rounds
    assert [it.at for it in run.epochs] == [5, 10, 15, 20, 25]
    assert [(it.at, it.planned) for it in run.events] == [(10, 0.5), (20, None)]
    assert "val_acc" not in run.epochs[3].metrics


ODD = [
    ("events", None, "events.csv: is not there"),
    ("events", EVENTS.replace("0.75", "1.5"), "events.csv: expected a share in [0, 1] for planned"),
    ("events", EVENTS.replace("20", "ten"), "expected a number for step, got 'ten'"),
    ("events", EVENTS.replace("20", "2.5"), "expected a whole number for step, got '2.5'"),
    ("events", EVENTS.replace("20", "nan"), "expected a whole number for step, got 'nan'"),
    ("events", EVENTS.replace("20", "5"), "its steps do not ascend"),
    ("events", "event,epoch\n1,1\n", "expected a number for step, got None"),
    ("events", EVENTS + "3,3\n", "has rows that are longer or shorter than the first"),
    ("events", EVENTS + '3,"3\n', "is no CSV table"),
    ("metrics", METRICS.replace("0.875", "good"), "expected a number for val_acc, got 'good'"),
    ("metrics", METRICS.replace("30", "-1"), "expected a whole number for step, got '-1'"),
    ("metrics", METRICS.replace("sparsity", "density"), "expected a number for sparsity, got None"),
    ("histograms", None, "histograms.json: is not there"),
    ("histograms", "{", "is not what prunetool train writes"),
    ("histograms", "[" * 100_000, "is not what prunetool train writes"),
    ("histograms", '{"all": {}, "tensors": {}}', "is not what prunetool train writes"),
]


@pytest.mark.parametrize(("file", "text", "fragment"), ODD)
def test_odd_files_are_left_out(tmp_path, file, text, fragment):
    run = read_run(make_run(tmp_path, **{file: text}))

    (sentence,) = run.missing.values()
    assert fragment in sentence
    assert (run.events == ()) == (file == "events")
    assert (run.epochs == ()) == (file == "metrics")
    assert (run.start_of_all is None) == (file == "histograms")


@pytest.mark.parametrize(
    "change",
    [
        {"width": 0.3},
        {"width": -1.0},
        {"width": 0.0},
        {"width": float("inf")},
        {"counts": [1, 2]},
        {"counts": None},
        {"zeros": -1},
        {"outside": "many"},
    ],
)
def test_odd_histograms_are_left_out(tmp_path, change):
    folder = make_run(tmp_path)
    content = json.loads((folder / "histograms.json").read_text())
    content["tensors"]["conv.weight"] |= change
    (folder / "histograms.json").write_text(json.dumps(content))

    assert list(read_run(folder).missing) == ["histograms.json"]


def test_bytes_that_are_no_text(tmp_path):
    folder = make_run(tmp_path)
    (folder / "events.csv").write_bytes(b"\xff\xfe\x00")
    (folder / "config.yaml").write_text("prunetool: [")
    run = read_run(folder)
    assert run.missing == {
        "events.csv": "events.csv: is no text in UTF-8",
        "config.yaml": "config.yaml: is not what prunetool train writes",
    }
    assert (run.config, run.settings) == ("prunetool: [", {})


def test_which_run_a_path_belongs_to(tmp_path, monkeypatch):
    folder = make_run(tmp_path / "run")
    last = folder / "checkpoints" / "last.ckpt"
    elsewhere = folder / "final.ckpt"

    assert run_of(folder) == run_of(last) == folder
    assert run_of(elsewhere) is None  # it may be from anywhere
    monkeypatch.chdir(folder / "checkpoints")
    assert run_of(Path("last.ckpt")) == Path(os.pardir)
    (folder / "config.yaml").unlink()
    assert run_of(last) == folder  # what only prunetool writes is there
    for name in ("events.csv", "histograms.json"):
        (folder / name).unlink()
    (folder / "config.yaml").write_text("trainer: {}\n")  # of LightningCLI
    assert run_of(folder) is run_of(last) is None
    (folder / "config.yaml").write_text("trainer: {}\npruning:\n  sparsity: 0.5\n")
    assert run_of(last) == folder
