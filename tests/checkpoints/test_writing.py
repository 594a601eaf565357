from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from prunetool.checkpoints.writing import (
    NewFile,
    beside_of,
    check_target,
    move_into_place,
    replace_file,
    write_atomically,
    write_text,
)
from prunetool.errors import OutputError


def files_in(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def of(path, content=b"new"):
    return NewFile(path, lambda file: file.write(content))


@pytest.mark.parametrize("umask", [0o022, 0o077, 0o002])
def test_permissions_follow_the_umask(umask, tmp_path):
    before = os.umask(umask)
    try:
        write_atomically(of(tmp_path / "a"))
    finally:
        os.umask(before)

    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o666 & ~umask
    assert files_in(tmp_path) == {"a": b"new"}


def failing(_):
    raise OSError(28, "No space left on device")


def wrong(_):
    raise OutputError("does not read back")


def interrupted(_):
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("last", "expected"),
    [
        (lambda path: NewFile(path, failing), OutputError),
        (lambda path: NewFile(path, lambda file: file.write(b"x"), wrong), OutputError),
        (lambda path: NewFile(path, interrupted), KeyboardInterrupt),
    ],
)
def test_a_failure_leaves_all_targets_as_they_were(last, expected, tmp_path):
    (tmp_path / "a").write_bytes(b"old")

    with pytest.raises(expected):
        write_atomically(of(tmp_path / "a"), last(tmp_path / "b"))

    assert files_in(tmp_path) == {"a": b"old"}


def test_a_disk_that_fails_while_the_file_is_checked(tmp_path):
    (tmp_path / "a").write_bytes(b"old")
    ends = os.pipe()
    checked = []

    def write(file):
        os.dup2(ends[1], file.fileno())  # a pipe cannot be brought to the disk

    with pytest.raises(OutputError, match="a: cannot be written: Invalid argument"):
        write_atomically(NewFile(tmp_path / "a", write, checked.append), of(tmp_path / "b"))

    assert len(checked) == 1
    assert files_in(tmp_path) == {"a": b"old"}
    for end in ends:
        os.close(end)


def test_the_target_is_whole_only_after_the_check(tmp_path):
    seen = []

    def check(path):
        seen.append((path.read_bytes(), (tmp_path / "a").exists()))

    write_atomically(NewFile(tmp_path / "a", lambda file: file.write(b"new"), check))

    assert seen == [(b"new", False)]


def test_a_link_is_written_through(tmp_path):
    (tmp_path / "real").write_bytes(b"old")
    (tmp_path / "link").symlink_to(tmp_path / "real")

    write_atomically(of(tmp_path / "link"))

    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_bytes() == b"new"


@pytest.mark.skipif(sys.platform == "win32", reason="needs a limit on file sizes")
def test_a_full_disk_while_torch_writes(tmp_path):
    code = """
import resource, signal, sys, torch
from pathlib import Path
from prunetool.checkpoints.torch_files.archive import Archive
from prunetool.checkpoints.torch_files.writing import write_torch
from prunetool.checkpoints.writing import NewFile, write_atomically
from prunetool.errors import OutputError

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
archive = Archive({"w": torch.ones(1000, 1000)}, 2)
try:
    write_atomically(NewFile(Path(sys.argv[1]), lambda file: write_torch(archive, file)))
except OutputError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "a.ckpt")], capture_output=True, text=True
    )

    assert done.stdout == (
        f"{tmp_path / 'a.ckpt'}: cannot be written: File too large; choose another -o\n"
    ), done.stderr
    assert files_in(tmp_path) == {}


@pytest.mark.parametrize("call", [2, 3, 5])
def test_a_signal_while_torch_writes_is_not_hidden_by_its_complaint(call, tmp_path):
    class Interrupted:
        calls = 0

        def __init__(self, stream):
            self.stream, self.flush = stream, stream.flush

        def write(self, data):
            self.calls += 1
            if self.calls == call:
                raise KeyboardInterrupt
            return self.stream.write(data)

    def save(file):
        torch.save({"w": torch.ones(9)}, Interrupted(file))

    with pytest.raises(RuntimeError, match="unexpected pos"):
        save(io.BytesIO())
    with pytest.raises(KeyboardInterrupt):
        replace_file(tmp_path / "a", save)
    assert files_in(tmp_path) == {}


def test_what_may_not_be_written(tmp_path):
    source, old = tmp_path / "in", tmp_path / "old"
    for path in (source, old):
        path.write_bytes(b"old")
    (tmp_path / "link").symlink_to(source)

    check_target(tmp_path / "new", source=source, force=False)
    check_target(old, source=source, force=True)
    for target, force, message in [
        (old, False, "old: exists already; pass --force"),
        (source, True, "in: the output would replace the input"),
        (tmp_path / "link", True, "link: the output would replace the input"),
        (tmp_path / "none" / "new", False, "the folder .*none does not exist"),
        (tmp_path, True, "found a folder"),
    ]:
        with pytest.raises(OutputError, match=message):
            check_target(target, source=source, force=force)


def test_a_folder_that_may_not_be_written(tmp_path):
    tmp_path.chmod(0o500)
    # Root may write into any folder but those that the kernel makes up.
    folder = Path("/sys") if os.geteuid() == 0 else tmp_path

    with pytest.raises(OutputError, match="cannot be written: Permission denied"):
        write_atomically(of(folder / "a"))


def test_a_name_that_is_too_long(tmp_path):
    with pytest.raises(OutputError, match="cannot be written: File name too long"):
        write_atomically(of(tmp_path / ("a" * 300)))


def test_text_is_utf_8_with_its_own_line_ends(tmp_path):
    write_text(tmp_path / "a", "one\r\ntwo\nä")
    assert files_in(tmp_path) == {"a": b"one\r\ntwo\n\xc3\xa4"}


def test_text_that_cannot_be_written(tmp_path):
    with pytest.raises(OutputError, match="cannot be written: No such file or directory"):
        write_text(tmp_path / "gone" / "a", "")


def test_a_file_that_somebody_else_wrote_is_moved_into_its_place(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"old")
    beside = beside_of(path)
    assert beside.parent == tmp_path
    beside.write_bytes(b"new")
    move_into_place(beside, path)
    assert files_in(tmp_path) == {"a": b"new"}
