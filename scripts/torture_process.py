"""``prunetool train`` as a process that can be killed, forked or started afresh.

Importing torch and Lightning takes seconds. A fork of a process that has done so and nothing else
(Python's own fork server) is a process like any other: its memory is gone with a SIGKILL.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

# A background job of a shell ignores SIGINT, and so do its children: undo that.
FRESH = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
from prunetool.cli.app import main
main()
"""
# Names that are not there are passed over.
_IMPORTED = (
    "lightning.pytorch", "numpy", "pydantic.type_adapter", "torchmetrics",
    "torch.utils.serialization.config",
    "prunetool.cli.app", "prunetool.cli.train_tables", "prunetool.reports.rendering.table",
    "prunetool.training.options.command_line", "prunetool.training.run",
)  # fmt: skip


@dataclass(frozen=True)
class Command:
    """A call of ``prunetool``.

    Attributes:
        arguments: after the program's name.
        folder: where it runs.
        log: gets what it prints.
        environment: further variables.
    """

    arguments: Sequence[str]
    folder: Path
    log: Path
    environment: Mapping[str, str] = field(default_factory=dict)

    def start(self, *, fork: bool) -> Running:
        """Run it in a process of its own."""
        return Forked(self) if fork else Fresh(self)


class Running:
    """A started command."""

    pid: int

    def wait(self, seconds: float) -> int | None:
        """Give the exit code, negative for a signal; None if it still runs then."""
        raise NotImplementedError

    def send(self, number: signal.Signals) -> None:
        """Send a signal, unless the process has ended."""
        if self.wait(0) is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)


class Fresh(Running):
    """Started by an interpreter of its own."""

    def __init__(self, command: Command) -> None:
        with command.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-c", FRESH, *command.arguments],
                cwd=command.folder,
                env={**os.environ, **command.environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self.pid = self._process.pid

    def wait(self, seconds: float) -> int | None:
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None


class Forked(Running):
    """Forked from a process that has imported what a training needs."""

    def __init__(self, command: Command) -> None:
        server = multiprocessing.get_context("forkserver")
        server.set_forkserver_preload(list(_IMPORTED))
        self._process: Any = server.Process(target=_run, args=(command,))
        self._process.start()
        self.pid = self._process.pid

    def wait(self, seconds: float) -> int | None:
        self._process.join(seconds)
        code: int | None = self._process.exitcode
        return code


def _run(command: Command) -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    log = os.open(command.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for stream in (1, 2):
        os.dup2(log, stream)
    os.environ.update(command.environment)
    tempfile.tempdir = None
    os.chdir(command.folder)
    sys.argv = ["prunetool", *command.arguments]
    try:
        from prunetool.cli.app import main

        main()
    except KeyboardInterrupt:  # before the boundary; the interpreter would end like this
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
