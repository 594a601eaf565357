from __future__ import annotations

import os
import shutil

import pytest

from prunetool.checkpoints.folders import (
    aside_of,
    beside_folder,
    link_tree,
    recover,
    replace_folder,
)


def make(path, text):
    (path / "inner").mkdir(parents=True)
    (path / "meta.pt").write_text(text)
    (path / "inner" / "shard").write_text(text)
    return path


def contents(path):
    return {str(p.relative_to(path)): p.read_text() for p in path.rglob("*") if p.is_file()}


def whole(name, text):
    return {f"{name}/meta.pt": text, f"{name}/inner/shard": text}


def test_a_folder_takes_the_place_of_nothing_of_a_folder_and_of_a_file(tmp_path):
    path = tmp_path / "last.ckpt"
    for text in ("first", "second"):
        replace_folder(make(beside_folder(path), text), path)
        assert contents(tmp_path) == whole("last.ckpt", text)
    shutil.rmtree(path)
    path.write_text("one file")
    replace_folder(make(beside_folder(path), "third"), path)
    assert contents(tmp_path) == whole("last.ckpt", "third")


@pytest.mark.parametrize("renamings", [0, 1, 2])
def test_whenever_a_kill_comes_one_is_whole(tmp_path, monkeypatch, renamings):
    """A kill is an exception here, before the given renaming, or before the old one is removed."""
    path = make(tmp_path / "last.ckpt", "old")
    beside = make(beside_folder(path), "new")
    left = [renamings]
    rename = os.rename

    def counted(source, target):
        if left[0] == 0:
            raise SystemExit("killed")
        left[0] -= 1
        rename(source, target)

    def killed_at_removal(path):
        if path.exists():
            raise SystemExit("killed")

    with monkeypatch.context() as patch:
        patch.setattr("os.rename", counted)
        patch.setattr("prunetool.checkpoints.folders.remove", killed_at_removal)
        with pytest.raises(SystemExit):
            replace_folder(beside, path)
    assert recover(path) is (renamings == 1)
    # As long as the old one is in its place, nobody can tell whether the new one is complete.
    assert contents(tmp_path) == whole("last.ckpt", "old" if renamings == 0 else "new")
    assert recover(path) is False


def test_the_old_one_comes_back_if_there_is_no_new_one(tmp_path):
    path = tmp_path / "last.ckpt"
    make(aside_of(path), "old")
    assert recover(path)
    assert contents(tmp_path) == whole("last.ckpt", "old")


def test_leftovers_of_files_are_removed(tmp_path):
    path = tmp_path / "last.ckpt"
    path.write_text("whole")
    beside_folder(path).write_text("half")
    assert not recover(path)
    assert contents(tmp_path) == {"last.ckpt": "whole"}


def test_a_second_name_for_a_whole_folder_survives_the_first(tmp_path):
    source, target = make(tmp_path / "last.ckpt", "one"), tmp_path / "best.ckpt"
    link_tree(source, target)
    assert os.stat(target / "meta.pt").st_ino == os.stat(source / "meta.pt").st_ino
    replace_folder(make(beside_folder(source), "two"), source)
    assert contents(tmp_path) == whole("last.ckpt", "two") | whole("best.ckpt", "one")


def test_what_cannot_be_renamed_is_an_error_and_the_old_one_stays(tmp_path):
    path = make(tmp_path / "last.ckpt", "old")
    with pytest.raises(FileNotFoundError):
        replace_folder(beside_folder(path), path)
    assert contents(tmp_path) == whole("last.ckpt", "old")
