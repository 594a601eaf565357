from __future__ import annotations

from pathlib import Path

import pytest

from prunetool.training.replacing import Replacing
from prunetool.training.run_folder import new_run_folder


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


def test_what_a_killed_run_left_aside_is_no_run(folder):
    Replacing(folder).begin()
    folder.last.write_text("new")
    replacing = Replacing(folder)
    replacing.begin()
    replacing.undo()
    assert contents(folder) == {"checkpoints/last.ckpt": "new", "notes.txt": "old"}
