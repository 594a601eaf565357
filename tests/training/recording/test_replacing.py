from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path

import pytest

from prunetool.checkpoints.folders import remove
from prunetool.training.recording.replacing import Replacing
from prunetool.training.recording.run_folder import new_run_folder


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = new_run_folder(Path("mine"), name="net", force=False)
    for file in (found.last, found.metrics, found.round(2), found.path / "notes.txt"):
        file.write_text("old")
    return found


def contents(folder):
    files = (p for p in folder.path.rglob("*") if p.is_file())
    return {str(p.relative_to(folder.path)): p.read_text() for p in files}


OLD = dict.fromkeys(
    ["checkpoints/last.ckpt", "checkpoints/round-2.ckpt", "metrics.csv", "notes.txt"], "old"
)


def test_a_new_run_that_works_replaces_the_old_one(folder):
    replacing = Replacing(folder)
    replacing.begin()
    folder.last.write_text("new")
    replacing.settle()
    replacing.undo()  # too late
    assert contents(folder) == {"checkpoints/last.ckpt": "new", "notes.txt": "old"}


def test_a_new_run_that_fails_leaves_the_old_one(folder):
    replacing = Replacing(folder)
    replacing.begin()
    assert contents(folder) == {f".replaced/{n}" if n != "notes.txt" else n: "old" for n in OLD}
    folder.last.write_text("new")
    folder.config.write_text("new")
    replacing.undo()
    assert contents(folder) == OLD


def test_what_never_began_changes_nothing(folder):
    Replacing(folder).undo()
    assert contents(folder) == OLD


def killed_after_beginning(folder):
    Replacing(folder).begin()
    folder.last.write_text("unproved")
    folder.config.write_text("unproved")


def test_the_old_run_outlives_a_killed_one_that_never_proved_itself(folder):
    killed_after_beginning(folder)
    replacing = Replacing(folder)
    replacing.begin()
    assert contents(folder) == {f".replaced/{n}" if n != "notes.txt" else n: "old" for n in OLD}
    folder.last.write_text("new")
    replacing.undo()
    assert contents(folder) == OLD


def test_a_killed_run_that_is_gone_on_with_replaces_it_in_the_end(folder):
    killed_after_beginning(folder)
    replacing = Replacing(folder)
    replacing.undo()  # it was not this one that moved it
    assert folder.last.read_text() == "unproved"
    replacing.settle()
    assert contents(folder) == {
        "checkpoints/last.ckpt": "unproved", "config.yaml": "unproved", "notes.txt": "old"
    }  # fmt: skip


@pytest.mark.parametrize("after", range(1, 8))
@pytest.mark.parametrize("act", ["begin", "undo"])
def test_killed_between_any_two_steps_the_old_run_comes_back(folder, monkeypatch, act, after):
    """A kill is an exception here, at the first, second, ... renaming or removal."""
    replacing = Replacing(folder)
    if act == "undo":
        replacing.begin()
        folder.last.write_text("new")
    calls = iter(range(1, 100))

    def counted(function):
        def call(*args, **kwargs):
            if next(calls) == after:
                raise SystemExit("killed")
            return function(*args, **kwargs)

        return call

    with monkeypatch.context() as patch:
        patch.setattr("os.rename", counted(os.rename))
        patch.setattr("prunetool.training.recording.replacing.remove", counted(remove))
        patch.setattr("shutil.rmtree", counted(shutil.rmtree))
        with contextlib.suppress(SystemExit):
            getattr(replacing, act)()
    again = Replacing(folder)
    again.recover()
    again.begin()
    again.undo()
    assert contents(folder) == OLD


def test_killed_while_the_old_run_is_dropped_the_new_one_stays(folder, monkeypatch):
    replacing = Replacing(folder)
    replacing.begin()
    folder.last.write_text("new")
    with monkeypatch.context() as patch:
        patch.setattr("shutil.rmtree", lambda *args, **kwargs: None)
        replacing.settle()
    assert (folder.path / ".dropped" / "metrics.csv").exists()
    Replacing(folder).recover()
    assert contents(folder) == {"checkpoints/last.ckpt": "new", "notes.txt": "old"}
