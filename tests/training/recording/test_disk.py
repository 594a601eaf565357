"""A disk that fills, and folders that vanish, under a run that is a process of its own."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from warm import run

ROOT = Path(__file__).parents[3]
TROUBLE = """
import os, resource, shutil
from pathlib import Path
from midway import Midway

RUN = Path("run")

def full():
    resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))

def full_by_hand():
    os.kill(os.getpid(), 15)
    full()

def no_table():
    (RUN / "metrics.csv").unlink(missing_ok=True)
    (RUN / "metrics.csv").mkdir()

def no_checkpoints():
    shutil.rmtree(RUN / "checkpoints")

def no_run():
    shutil.rmtree(RUN)

class Trouble(Midway):
    def on_fit_start(self):
        if "FULL" in os.environ:
            full()

    def training_step(self, batch, index):
        if str(Midway.steps + 1) == os.environ.get("STEP"):
            globals()[os.environ["TROUBLE"]]()
        return super().training_step(batch, index)

    def configure_callbacks(self):
        from lightning.pytorch.callbacks import ModelCheckpoint
        return [ModelCheckpoint("mine", every_n_train_steps=6)] if "MINE" in os.environ else []
"""


@pytest.fixture
def project(tmp_path):
    (tmp_path / "trouble.py").write_text(TROUBLE)
    return tmp_path


def prunetool(project, *arguments, **environment):
    path = f"{ROOT}:{ROOT / 'tests' / 'support'}"
    environment = {**os.environ, "PYTHONPATH": path, **environment}
    done = run("-m", "prunetool", *arguments, folder=project, environment=environment)
    return done.returncode, done.stderr


def train(project, *options, folder="run", **environment):
    fixed = ("trouble.py:Trouble", "--accelerator", "cpu", "--max-epochs", "3", "--quiet")
    return prunetool(project, "train", *fixed, "--output", folder, *options, **environment)


def resume(project):
    return prunetool(project, "train", "run", "--resume", "--quiet")


def files(project):
    return sorted(str(it.relative_to(project)) for it in (project / "run").rglob("*"))


def steps_in(path):
    return torch.load(path, weights_only=True)["global_step"]


LAST = "run/checkpoints/last.ckpt"
STILL = (
    "what it held before is still there: free some space, then go on with: "
    "prunetool train run --resume"
)


@pytest.mark.parametrize("trouble", ["full", "full_by_hand"])
def test_full_in_the_middle_of_a_run(project, trouble):
    assert train(project, folder="whole") == (0, "")
    code, err = train(project, STEP="7", TROUBLE=trouble)
    assert (code, err) == (2, f"error: {LAST}: cannot be written: File too large; {STILL}\n")
    assert files(project) == [
        "run/checkpoints", LAST, "run/config.yaml", "run/histograms.json", "run/metrics.csv"
    ]  # fmt: skip
    assert steps_in(project / LAST) == 5
    assert resume(project) == (0, "")
    whole, parts = (
        torch.load(project / folder / "checkpoints/last.ckpt", weights_only=True)["state_dict"]
        for folder in ("whole", "run")
    )
    assert all(torch.equal(whole[name], parts[name]) for name in whole)
    for name in ("metrics.csv", "events.csv", "report.json", "histograms.json"):
        both = [(project / it / name).read_text() for it in ("whole", "run")]
        assert both[0].replace("whole", "run") == both[1]


def test_a_checkpoint_of_the_users_on_a_full_disk(project):
    code, err = train(project, STEP="6", TROUBLE="full", MINE="1")
    assert code == 2
    expected = "cannot be written: File too large; free some space or choose another --output\n"
    assert err.startswith("error: ")
    assert err.endswith(expected)
    assert err.count("\n") == 1
    assert list((project / "mine").iterdir()) == []


def test_a_table_that_cannot_be_written(project):
    code, err = train(project, STEP="7", TROUBLE="no_table")
    assert (code, err) == (
        2,
        "error: run/metrics.csv: cannot be written: Is a directory; choose another -o\n",
    )
    (project / "run/metrics.csv").rmdir()
    assert steps_in(project / LAST) == 10
    assert resume(project) == (0, "")


@pytest.mark.parametrize("trouble", ["no_checkpoints", "no_run"])
def test_a_folder_that_vanishes(project, trouble):
    code, err = train(project, STEP="7", TROUBLE=trouble)
    assert (code, err) == (
        2,
        f"error: {LAST}: cannot be written: the folder run/checkpoints is gone; "
        f"start the run again\n",
    )
    assert (project / "run").exists() == (trouble == "no_checkpoints")


def test_full_before_the_first_checkpoint(project):
    for _ in range(2):  # what it leaves is no hindrance
        code, err = train(project, FULL="1")
        assert (code, err) == (
            2,
            f"error: {LAST}: cannot be written: File too large; "
            f"free some space or choose another --output\n",
        )
        assert files(project) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_becomes_read_only(project):
    assert train(project) == (0, "")
    (project / "run/checkpoints").chmod(0o500)
    try:
        code, err = prunetool(project, "train", "run", "--resume", "--max-epochs", "4", "--quiet")
    finally:
        (project / "run/checkpoints").chmod(0o700)
    assert code == 2
    still = STILL.replace("free some space", "make it writable")
    assert err == f"error: {LAST}: cannot be written: Permission denied; {still}\n"
