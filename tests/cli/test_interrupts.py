"""Ctrl-C that is swallowed while a library is imported still ends the command."""

from __future__ import annotations

import subprocess
import sys

SWALLOWED = """
import contextlib, os, signal, sys
from prunetool.cli import interrupts
from prunetool.cli.output import Output
from prunetool.cli.working import working

interrupts.remember_interrupts()
interrupts.raise_missed_interrupt()  # none came
with contextlib.suppress(KeyboardInterrupt):  # as a finalizer does
    os.kill(os.getpid(), signal.SIGINT)
try:
    with working(Output(quiet=True), "writing", 1):
        print("went on")
except KeyboardInterrupt:
    print("stopped")
"""
AT_THE_START = """
import os, signal, sys
import prunetool.__main__ as command

class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == "prunetool.cli.app":
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Finder())
command.main()
"""


def run(code):
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60
    )


def test_it_is_raised_again_before_work_begins():
    assert run(SWALLOWED).stdout == "stopped\n"


def test_it_ends_the_command_while_that_starts():
    done = run(AT_THE_START)

    assert (done.returncode, done.stdout, done.stderr) == (130, "", "interrupted\n")
