"""The sharded demo from the command line: like DDP, under torchrun, interrupted and resumed."""

from __future__ import annotations

import csv
import os
import signal
from pathlib import Path

import pytest
from warm import Program

ROOT = Path(__file__).parents[2]
DEMO = ("prunetool.demos:TinyTransformer", "--accelerator", "cpu", "--max-epochs", "3")


def start(folder, *arguments, launcher=()):
    return Program(
        *launcher, "-m", "prunetool", "train", *arguments,
        folder=folder, environment={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip


def finish(process):
    out, err = process.communicate(timeout=600)
    return process.returncode, out, err


def run(folder, *arguments, launcher=()):
    code, out, err = finish(start(folder, *arguments, launcher=launcher))
    assert code == 0, err
    return out


def metrics(folder):
    with (folder / "metrics.csv").open() as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("sharded")


@pytest.fixture(scope="module")
def sharded(folder):
    """The run that the others are compared with, and what it printed."""
    out = run(folder, *DEMO, "--strategy", "fsdp2", "--devices", "2", "-o", "sharded")
    return folder / "sharded", out


@pytest.mark.slow
def test_it_learns_and_is_pruned_and_leaves_a_folder_of_shards(sharded):
    path, out = sharded
    assert sorted(p.name for p in (path / "checkpoints/last.ckpt").iterdir()) == [
        ".metadata", "__0_0.distcp", "__1_0.distcp", "meta.pt"
    ]  # fmt: skip
    assert float(metrics(path)[-1]["val_acc"]) > 0.8
    assert out.splitlines()[-1] == (
        "sparsity asked 0.500000 achieved 0.500000 pruned 49472 of 98944"
    )


@pytest.mark.slow
def test_the_shards_are_trained_as_whole_copies_are(folder, sharded):
    run(folder, *DEMO, "--strategy", "ddp", "--devices", "2", "-o", "whole")
    for ours, theirs in zip(metrics(sharded[0]), metrics(folder / "whole"), strict=True):
        assert {k: float(v) for k, v in ours.items()} == pytest.approx(
            {k: float(v) for k, v in theirs.items()}, rel=1e-4
        )
    starts = [(it / "histograms.json").read_text() for it in (sharded[0], folder / "whole")]
    assert starts[0] == starts[1]  # the initial weights are the same, to the bit


@pytest.mark.slow
def test_interrupted_and_resumed(folder, sharded):
    process = start(folder, *DEMO, "--strategy", "fsdp2", "--devices", "2", "-o", "stopped")
    for line in process.stderr:
        if line.startswith("epoch 1/"):
            break
    process.send_signal(signal.SIGTERM)
    code, _, err = finish(process)
    assert code == 143, err
    assert len(metrics(folder / "stopped")) < 3
    run(folder, "stopped", "--resume")
    assert metrics(folder / "stopped") == metrics(sharded[0])


def test_a_model_that_does_not_shard_itself(folder):
    code, out, err = finish(
        start(folder, "prunetool.demos:DigitsClassifier", "--strategy", "fsdp2", "--devices", "2")
    )
    assert (code, out) == (2, "")
    assert err.startswith("error: --strategy fsdp2: DigitsClassifier does not shard itself; ")
    assert len(err.splitlines()) == 1
