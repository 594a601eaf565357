"""Files from attackers: none runs anything, and none takes the machine with it."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from forked import ROOT, Server
from hostile_archives import ARCHIVES
from hostile_folders import FOLDERS
from hostile_pickles import LIVE, PICKLES
from hostile_sizes import SIZES
from hostile_sparse import SPARSE

HOSTILE = {**PICKLES, **SIZES, **ARCHIVES, **FOLDERS, **SPARSE}
COMMANDS = {
    "report": ("report", "--format", "json"),
    "export": ("export", "-o", "out.safetensors"),
    "sparse": ("export", "--format", "sparse", "-o", "out.safetensors"),
    "finalize": ("finalize", "-o", "out.ckpt"),
}
SECONDS, BYTES = 20, 10**9


@pytest.fixture(scope="module")
def server():
    with Server(seconds=SECONDS) as it:
        yield it


@pytest.mark.parametrize("name", HOSTILE)
def test_nothing_runs_and_nothing_breaks(name, server, tmp_path):
    canary = tmp_path / "canary"
    path = HOSTILE[name](tmp_path, canary)
    before = sorted(tmp_path.rglob("*"))
    for command, (verb, *options) in COMMANDS.items():
        ran = server.run(verb, path, *options, folder=tmp_path)

        assert ran.events == (), command
        assert not canary.exists(), command
        assert ran.seconds < SECONDS, command
        assert ran.peak < BYTES, command
        if ran.code == 0:
            assert command != "report" or is_correct(ran.out), ran.out
            for made in {*tmp_path.rglob("*")} - {*before}:
                made.unlink()
            continue
        assert (ran.code, ran.out) == (2, ""), f"{command}: {ran.err[-2000:]}"
        assert ran.err.startswith("error: "), command
        assert len(ran.err.splitlines()) == 1, command
        assert len(ran.err) < 2000, command
        assert sorted(tmp_path.rglob("*")) == before, command


def is_correct(text: str) -> bool:
    """The honest weights are there, and what is there is not absurd."""
    layers = {it["name"]: it for it in json.loads(text)["layers"]}
    weight = layers["w"]
    return (weight["parameters"], weight["zeros"]) == (4, 1)


@pytest.mark.parametrize("name", LIVE)
def test_the_payloads_are_live(name, server, tmp_path):
    """Unpickling for real makes the canary, and the hook sees it: the test above can fail."""
    canary = tmp_path / "canary"
    ran = server.run(folder=tmp_path, load=PICKLES[name](tmp_path, canary))

    assert canary.exists()
    assert any("pickle.find_class" in it for it in ran.events)


@pytest.mark.parametrize("name", ["value: os.system", "before legacy"])
def test_the_real_command(name, tmp_path):
    """In a process of its own, as a user runs it: nothing was imported before."""
    canary = tmp_path / "canary"
    path = HOSTILE[name](tmp_path, canary)
    command = [sys.executable, "-m", "prunetool", "report", path, "--format", "json"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=600
    )

    assert not canary.exists()
    if done.returncode == 0:
        assert is_correct(done.stdout)
    else:
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
