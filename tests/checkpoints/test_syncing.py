"""Files on their way to the disk; a pipe is one that cannot be brought there."""

from __future__ import annotations

import os
import time

import pytest

from prunetool.checkpoints.syncing import Syncing


@pytest.fixture
def pipe():
    ends = os.pipe()
    yield ends[1]
    for end in ends:
        os.close(end)


def open_files():
    return set(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else set()


def test_files_may_be_closed_meanwhile(tmp_path):
    with Syncing() as disk:
        before = open_files()
        for number in range(40):
            with (tmp_path / str(number)).open("wb") as file:
                with disk.during(file.fileno()):
                    file.write(b"x")
                file.flush()
                disk.sync(file.fileno())
        disk.wait()
        assert open_files() == before


def test_a_failure_is_told_when_waited_for(pipe):
    with Syncing() as disk:
        disk.sync(pipe)
        with pytest.raises(OSError, match="Invalid argument"):
            disk.wait()
        disk.wait()


def test_a_failure_during_the_work_is_told_too(pipe):
    with Syncing() as disk:
        with disk.during(pipe):
            time.sleep(0.3)
        with pytest.raises(OSError, match="Invalid argument"):
            disk.wait()


def test_an_error_in_the_work_ends_it(tmp_path):
    with (
        (tmp_path / "a").open("wb") as file,
        pytest.raises(KeyboardInterrupt),
        Syncing() as disk,
        disk.during(file.fileno()),
    ):
        raise KeyboardInterrupt
