"""Python programs in processes of their own, forked from one that has imported torch and Lightning.

Importing both takes seconds of a processor: more than most of what the tests then look at. A test
of what is imported, or of how a process begins, starts a real interpreter instead.
"""

from __future__ import annotations

import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
import sysconfig
import threading
import types
import warnings
from collections.abc import Callable, Mapping
from multiprocessing import reduction
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import IO, Any

_IMPORTED = [
    "torchmetrics", "prunetool.cli.app", "prunetool.training.run",
    "prunetool.reports.rendering.table", "prunetool.training.options.command_line",
    "prunetool.cli.train_tables", "pydantic.type_adapter", "torch.distributed.checkpoint",
    "torch.distributed.fsdp", "torch.distributed.tensor.parallel", "lightning.pytorch.strategies",
]  # fmt: skip


def server() -> ForkServerContext:
    """Give the context whose processes are forked; a test process has one server."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_IMPORTED)
    return context


class Program:
    """``python ARGUMENTS`` as a running process; used like ``subprocess.Popen``.

    Args:
        arguments: ``-c`` and a program or ``-m`` and a module, then those for it.
        folder: where it runs.
        environment: all of its environment.
        stdout: a file for what it prints; a pipe without.
        stderr: likewise.
        text: pipes give text, not bytes.
        leads_session: it leads a session, and a process group, of its own.
    """

    def __init__(
        self,
        *arguments: str,
        folder: Path,
        environment: Mapping[str, str],
        stdout: IO[Any] | int | None = None,
        stderr: IO[Any] | int | None = None,
        text: bool = True,
        leads_session: bool = False,
    ) -> None:
        self.stdout, out = _reader(stdout, text)
        self.stderr, err = _reader(stderr, text)
        self._read: dict[str, Any] = {}
        inherited = (_Inherited(out), _Inherited(err))
        self._process = server().Process(
            target=_become,
            args=(arguments, str(folder), dict(environment), *inherited, leads_session),
        )
        self._process.start()
        for ours, end in ((self.stdout, out), (self.stderr, err)):
            if ours is not None:
                os.close(end)

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        self._process.join(timeout)
        if self._process.exitcode is None:
            raise subprocess.TimeoutExpired("python", timeout or 0)
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def kill(self) -> None:
        if self._process.exitcode is None:
            self.send_signal(signal.SIGKILL)

    def communicate(self, timeout: float | None = None) -> tuple[Any, Any]:
        """Read to the end of both pipes, then wait; a second call gives the same."""

        def drain(name: str, file: IO[Any]) -> None:
            with file:
                self._read[name] = file.read()

        pipes = {"stdout": self.stdout, "stderr": self.stderr}
        threads = [
            threading.Thread(target=drain, args=(name, file), daemon=True)
            for name, file in pipes.items()
            if file is not None and not file.closed
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout)
        self.wait(timeout)
        return self._read.get("stdout"), self._read.get("stderr")


def run(
    *arguments: str, folder: Path, environment: Mapping[str, str], timeout: float = 600
) -> subprocess.CompletedProcess[str]:
    """Run ``python ARGUMENTS`` to its end, or kill it."""
    program = Program(*arguments, folder=folder, environment=environment)
    try:
        out, err = program.communicate(timeout)
    finally:
        program.kill()
    assert program.returncode is not None
    return subprocess.CompletedProcess(arguments, program.returncode, out, err)


def _reader(given: IO[Any] | int | None, text: bool) -> tuple[IO[Any] | None, int]:
    """Give our end of a pipe, if there is one, and the descriptor for the process."""
    if given is not None:
        return None, given if isinstance(given, int) else given.fileno()
    ours, theirs = os.pipe()
    file: IO[Any] = os.fdopen(ours, "r" if text else "rb", encoding="utf-8" if text else None)
    return file, theirs


class _Inherited:
    """An open descriptor that goes along to the process, as a number there."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def __reduce__(self) -> tuple[Callable[[Any], int], tuple[Any]]:
        return _received, (reduction.DupFd(self._descriptor),)


def _received(carried: Any) -> int:
    number: int = carried.detach()
    return number


def _become(
    arguments: tuple[str, ...],
    folder: str,
    environment: dict[str, str],
    out: int,
    err: int,
    leads_session: bool,
) -> None:
    if leads_session:
        os.setsid()
    # A background job of a shell ignores SIGINT, and so do its children.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number, descriptor in ((1, out), (2, err)):
        os.dup2(descriptor, number)
        os.close(descriptor)
    # The old ones remember that they began with a file, in which one can seek.
    sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", encoding="utf-8", closefd=False, buffering=1)  # noqa: SIM115
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    _as_if_just_started(environment)
    option, name, *others = arguments
    if option == "-m":
        sys.argv = [name, *others]
        runpy.run_module(name, run_name="__main__", alter_sys=True)
        return
    assert option == "-c"
    sys.argv = ["-c", *others]
    main = sys.modules["__main__"] = types.ModuleType("__main__")
    main.__spec__ = None
    exec(compile(name, "<string>", "exec"), main.__dict__)


def _as_if_just_started(environment: Mapping[str, str]) -> None:
    """Set what the interpreter and Lightning take from the environment once."""
    from lightning_utilities.core.rank_zero import rank_zero_only

    given = filter(None, environment.get("PYTHONPATH", "").split(os.pathsep))
    installed = {sysconfig.get_path(it) for it in ("stdlib", "platstdlib", "purelib", "platlib")}
    sys.path[:] = ["", *given, *(it for it in sys.path if _is_below(it, installed))]
    rank_zero_only.rank = int(environment.get("RANK", "0"))
    if environment.get("PYTHONWARNINGS") == "ignore":
        warnings.simplefilter("ignore")


def _is_below(path: str, folders: set[str]) -> bool:
    return path.endswith(".zip") or any(path.startswith(folder) for folder in folders)
