"""Progress on a real pseudo-terminal, and in a pipe; a clock of the test's own instead of waits."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from contextlib import redirect_stderr

import pytest

from prunetool.cli.output import Output
from prunetool.cli.working import working
from prunetool.errors import CheckpointError

GB = 10**9


class Clock:
    """Stands still until it is set."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


class Terminal:
    """A pseudo-terminal, to take the place of stderr."""

    def __init__(self):
        self._ours, theirs = pty.openpty()
        self.stream = os.fdopen(theirs, "w")

    def shown(self):
        self.stream.close()
        text = b""
        try:
            while part := os.read(self._ours, 65536):
                text += part
        except OSError:  # the end, on Linux
            pass
        os.close(self._ours)
        return text.decode()


@pytest.fixture
def terminal(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    return Terminal()


def work(steps, *, quiet=False):
    """Go through bytes at times: pairs of seconds since the start and bytes, or an error."""
    clock = Clock()
    with working(Output(quiet=quiet), "reading [b]a.ckpt", 8 * GB, clock=clock) as advance:
        for seconds, count in steps:
            clock.now = 1000 + seconds
            if isinstance(count, Exception):
                raise count
            advance(count)


def test_a_bar_with_bytes_rate_and_time_left(terminal, capsys):
    with redirect_stderr(terminal.stream):
        work([(0.1, GB), (1, GB), (2, 2 * GB), (3, GB)])

    shown = terminal.shown()
    text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown)
    assert "reading [b]a.ckpt" in text
    assert "2.0/8.0 GB" in text
    assert "5.0/8.0 GB 1.0 GB/s 0:00:03" in text
    assert shown.endswith("\x1b[2K"), "the line is wiped"
    assert shown.count("\x1b[?25l") == shown.count("\x1b[?25h"), "the cursor is back"
    assert capsys.readouterr().out == ""


def test_no_bar_for_half_a_second(terminal):
    with redirect_stderr(terminal.stream):
        work([(0.1, GB), (0.49, 7 * GB)])

    assert terminal.shown() == ""


def test_no_bar_for_the_quiet(terminal):
    with redirect_stderr(terminal.stream):
        work(quiet=True, steps=[(1, GB), (100, 7 * GB)])

    assert terminal.shown() == ""


def test_a_bar_is_wiped_when_the_work_fails(terminal):
    with (
        redirect_stderr(terminal.stream),
        pytest.raises(CheckpointError),
    ):
        work([(1, GB), (2, CheckpointError("broken"))])

    assert terminal.shown().endswith("\x1b[2K")


def test_lines_on_a_dumb_terminal(terminal, monkeypatch):
    monkeypatch.setenv("TERM", "dumb")
    with redirect_stderr(terminal.stream):
        work([(3, GB)])

    assert terminal.shown() == "reading [b]a.ckpt: 8.0 GB\r\n"


def test_few_lines_elsewhere(capsys):
    times = [(1.9, GB), (2, GB), (20, GB), (31.9, GB), (32, GB // 2), (61, GB), (70, 2 * GB)]
    work(times)

    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.splitlines() == [
        "reading [b]a.ckpt: 8.0 GB",
        "reading [b]a.ckpt: 4.5 of 8.0 GB, 0.14 GB/s",
        "reading [b]a.ckpt: 7.5 of 8.0 GB, 0.11 GB/s",
    ]


@pytest.mark.parametrize(("quiet", "seconds"), [(True, 100), (False, 1.99)])
def test_no_line_for_the_quiet_or_the_quick(quiet, seconds, capsys):
    work(quiet=quiet, steps=[(seconds, GB)])

    assert capsys.readouterr().err == ""


def test_a_pipe_gets_lines_and_costs_no_import():
    program = """
import sys
from prunetool.cli.output import Output
from prunetool.cli.working import working
times = iter([0.0, 2.5])
with working(Output(), "reading a.ckpt", 3 * 10**9, clock=lambda: next(times)) as advance:
    advance(1)
print("imported", *sorted({"rich.progress", "torch"} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)

    assert (done.returncode, done.stderr) == (0, "reading a.ckpt: 3.0 GB\n")
    assert done.stdout == "imported\n"
