"""What only a process of its own shows: signals, imports, a terminal."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from project import SLOW, write_project
from warm import Program

ROOT = Path(__file__).parents[2]


@pytest.fixture
def project(tmp_path):
    (tmp_path / "slow.py").write_text(SLOW)
    return write_project(tmp_path)


def start(project, *arguments, **streams):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return Program(
        "-m", "prunetool", "train", *arguments,
        folder=project, environment=environment, text=False, **streams,
    )  # fmt: skip


def finish(process):
    out, err = process.communicate(timeout=600)
    return process.returncode, out.decode(), err.decode()


def until_epoch(process, epoch):
    for line in process.stderr:
        if line.startswith(b"epoch %d/" % epoch):
            return
    raise AssertionError("the training ended first")


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["SIGINT", "SIGTERM"]
)
def test_an_interrupted_run_can_be_resumed_and_ends_as_if_nothing_had_happened(
    project, number, code
):
    options = ("slow:Slow", "--max-epochs", "5", "--accelerator", "cpu")
    whole = start(project, *options, "--output", "whole")

    process = start(project, *options, "--output", "run")
    until_epoch(process, 2)
    time.sleep(0.12)  # into the next epoch
    process.send_signal(number)
    returncode, out, err = finish(process)
    assert (returncode, out) == (code, ""), err
    assert "run/checkpoints/last.ckpt holds the state after step " in err
    assert "go on with: prunetool train run --resume" in err
    assert "Traceback" not in err
    assert not list((project / "run").rglob("*.tmp"))

    assert finish(whole)[0] == 0
    returncode, _, err = finish(start(project, "run", "--resume"))
    assert returncode == 0, err
    first, second = (
        torch.load(project / folder / "checkpoints/last.ckpt")["state_dict"]
        for folder in ("whole", "run")
    )
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert (project / "run/metrics.csv").read_text() == (project / "whole/metrics.csv").read_text()


def test_help_needs_neither_torch_nor_lightning():
    code = (
        "import sys\n"
        "sys.argv = ['prunetool', 'train', '--help']\n"
        "from prunetool.cli.app import app\n"
        "from prunetool.cli.boundary import run\n"
        "assert run(app) == 0\n"
        "heavy = {'torch', 'lightning', 'pytorch_lightning', 'numpy', 'yaml'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "--sparsity" in done.stdout
    assert "Example: prunetool train" in done.stdout


def test_the_older_package_is_no_noisier(project):
    """It sets up its own logging when it is imported, which is while the target is."""
    options = ("--max-epochs", "1", "--accelerator", "cpu")
    code, _, err = finish(start(project, "older:Net", *options))
    assert code == 0
    assert [line.partition(" ")[0] for line in err.splitlines()] == [
        "run", "ModelPruning:", "epoch", "`Trainer.fit`", "checkpoint", "next:"
    ]  # fmt: skip
    code, _, err = finish(start(project, "older:Net", *options, "--quiet"))
    assert (code, err) == (0, "")


def test_a_terminal_sees_the_course_of_an_epoch(project):
    ours, theirs = pty.openpty()
    process = start(
        project, "slow:Slow", "--max-epochs", "2", "--accelerator", "cpu", stderr=theirs
    )
    os.close(theirs)
    shown = b""
    while chunk := _read(ours):
        shown += chunk
    out, _ = process.communicate(timeout=600)
    assert process.returncode == 0, shown
    text = shown.decode()
    assert "epoch 2/2" in text
    assert re.search(r"[1-4]/4", text)  # batches; a busy machine draws few of them
    assert "sparsity 0.5000" in text
    assert b"\x1b" not in out


def _read(descriptor):
    try:
        return os.read(descriptor, 65536)
    except OSError:  # the other end is closed
        return b""
