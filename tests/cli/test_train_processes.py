"""Several processes from the command line: started by Lightning, or by torchrun."""

from __future__ import annotations

import csv
import os
import signal
import time
from pathlib import Path

import pytest
import torch
from project import write_project
from warm import Program

ROOT = Path(__file__).parents[2]
STARTED: list[Program] = []
PAIR = ("--accelerator", "cpu", "--devices", "2", "--quiet")

MODELS = """
import os, time
from net import Net

class Talks(Net):
    slow = 0.0

    def on_train_epoch_end(self):
        line = f"epoch {self.current_epoch} on {self.global_rank} pid {os.getpid()}\\n"
        os.write(1, line.encode())  # in one go: two processes share it

    def training_step(self, batch, batch_idx):
        time.sleep(self.slow)
        if self.current_epoch == 1 and self.global_rank == 1:
            self.misbehave()
        return super().training_step(batch, batch_idx)

    def misbehave(self):
        pass

class Slow(Talks):
    slow = 0.1

class BreaksOnOne(Talks):
    def misbehave(self):
        raise RuntimeError("a mistake on one")

class BreaksOnBoth(Talks):
    def training_step(self, batch, batch_idx):
        raise RuntimeError("a mistake on both")

class Dies(Talks):
    def misbehave(self):
        os.kill(os.getpid(), 9)

class Hangs(Talks):
    def misbehave(self):
        time.sleep(1000)
"""


@pytest.fixture
def project(tmp_path):
    (tmp_path / "models.py").write_text(MODELS)
    yield write_project(tmp_path)
    while STARTED:  # by a test that failed half-way
        process = STARTED.pop()
        process.kill()
        process.communicate()


def start(project, *arguments, launcher=(), **how):
    process = Program(
        *launcher, "-m", "prunetool", "train", *arguments,
        folder=project, environment={**os.environ, "PYTHONPATH": str(ROOT)}, **how,
    )  # fmt: skip
    STARTED.append(process)
    return process


def finish(process):
    out, err = process.communicate(timeout=600)
    return process.returncode, out, err


def torchrun(count=2):
    return ("-m", "torch.distributed.run", "--nproc-per-node", str(count))


def until(process, *said):
    """Read what the processes print until all of ``said`` was; give their ids."""
    ids, left = set(), set(said)
    while left:
        line = process.stdout.readline()
        assert line, process.stderr.read()
        ids.add(int(line.rpartition(" ")[2]))
        left -= {line.partition(" pid")[0]}
    return ids


def still_there(ids, seconds=10.0):
    """Those of the processes that live on; the ended ones may take a moment to be gone."""
    deadline = time.monotonic() + seconds
    while (living := {pid for pid in ids if _lives(pid)}) and time.monotonic() < deadline:
        time.sleep(0.1)
    return living


def _lives(pid):
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def _unusual(err):
    """Lightning advises ``sync_dist=True``, once."""
    lines = err.splitlines()
    assert len(lines) == len(set(lines)), err
    return [line for line in lines if "sync_dist=True" not in line]


def weights(file):
    return torch.load(file, weights_only=True)["state_dict"]


def test_one_run_folder_one_report_and_a_resume(project):
    code, out, err = finish(start(project, "net:Net", *PAIR, "--max-epochs", "2"))
    assert (code, _unusual(err)) == (0, [])
    assert out.count("sparsity asked") == 1
    assert out.splitlines()[-1] == "sparsity asked 0.500000 achieved 0.500000 pruned 36 of 72"
    assert os.listdir(project / "runs") == ["net-1"]
    run = project / "runs/net-1"
    assert sorted(p.name for p in run.iterdir()) == [
        "checkpoints", "config.yaml", "events.csv", "histograms.json", "metrics.csv", "report.json"
    ]  # fmt: skip

    code, out, err = finish(start(project, "runs/net-1", "--resume", "--max-epochs", "4", "-q"))
    assert (code, _unusual(err)) == (0, [])
    with (run / "metrics.csv").open() as file:
        assert [row["epoch"] for row in csv.DictReader(file)] == ["1", "2", "3", "4"]
    assert [p.name for p in (run / "checkpoints").iterdir()] == ["last.ckpt"]


@pytest.mark.parametrize(
    ("model", "says"),
    [
        ("BreaksOnOne", "error: your code raised RuntimeError while training BreaksOnOne"),
        ("BreaksOnBoth", "error: your code raised RuntimeError while training BreaksOnBoth"),
        ("Dies", "error: another process of the run was ended by SIGKILL"),
    ],
)
def test_what_one_process_cannot_do_ends_all_and_is_said_once(project, model, says):
    process = start(project, f"models:{model}", *PAIR, "--max-epochs", "3", "-o", "run")
    code, out, err = finish(process)
    assert code == 2, err
    assert err.count("error: ") == 1, err
    assert says in err
    assert err.count("Traceback") == (0 if model == "Dies" else 1)
    assert "sparsity asked" not in out
    assert not still_there({int(line.rpartition(" ")[2]) for line in out.splitlines()})


@pytest.mark.parametrize(
    ("model", "number", "code"),
    [("Slow", signal.SIGTERM, 143), ("Slow", signal.SIGINT, 130), ("Hangs", signal.SIGTERM, 143)],
)
def test_a_signal_ends_all_processes(project, model, number, code):
    """A process that hangs holds up the others, whose Python then sees no signal."""
    process = start(
        project, f"models:{model}", *PAIR[:-1], "--max-epochs", "50", "-o", "run",
        leads_session=True,
    )  # fmt: skip
    ids = until(process, "epoch 0 on 0", "epoch 0 on 1")
    assert len(ids) == 2
    time.sleep(0.5)
    if number == signal.SIGINT:
        os.killpg(process.pid, number)  # as a terminal does
    else:
        process.send_signal(number)
    began = time.monotonic()
    returncode, _, err = finish(process)
    assert returncode == code, err
    assert time.monotonic() - began < 9, "the processes were not ended, but given up"
    assert "prunetool train run --resume" in err
    assert "Traceback" not in err
    assert not still_there(ids)
    assert weights(project / "run/checkpoints/last.ckpt")


def test_no_process_outlives_the_one_that_started_it(project):
    process = start(project, "models:Hangs", *PAIR, "--max-epochs", "3", "-o", "run")
    ids = until(process, "epoch 0 on 0", "epoch 0 on 1")
    time.sleep(0.5)
    process.kill()
    process.communicate()
    assert not still_there(ids)


def test_torchrun(project):
    command = ("net:Net", "--accelerator", "cpu", "--max-epochs", "2", "-q")
    (project / "runs/net-1").mkdir(parents=True)
    code, out, err = finish(start(project, *command, launcher=torchrun()))
    assert code == 0, err
    assert out.count("sparsity asked 0.500000 achieved 0.500000 pruned 36 of 72") == 1
    assert sorted(os.listdir(project / "runs")) == ["net-1", "net-2"]
    assert weights(project / "runs/net-2/checkpoints/last.ckpt")


def test_torchrun_says_what_is_wrong_once(project):
    command = ("net:Nte", "--accelerator", "cpu")
    code, out, err = finish(start(project, *command, launcher=torchrun()))
    assert code != 0
    assert out == ""
    assert err.count("error: net has no attribute 'Nte'") == 1
