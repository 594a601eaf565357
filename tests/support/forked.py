"""The command line in forks of one process that has imported everything: quick, and watched.

A fork is a process of its own: it can hang, run out of memory or be killed without any harm to
the tests. What is watched is what a user would suffer from: exit code, what was printed, time,
memory, and every event that Python's audit hooks report.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

SUPPORT = Path(__file__).parent
ROOT = SUPPORT.parent.parent


@dataclass(frozen=True)
class Ran:
    """What became of one command.

    Attributes:
        code: exit code; negative for the number of the signal that ended it.
        out: what it printed to stdout.
        err: what it printed to stderr.
        seconds: processor time.
        peak: largest resident memory in bytes, that of the interpreter and torch included.
        events: audit events that no reading of data should raise (``watching.py``).
    """

    code: int
    out: str
    err: str
    seconds: float
    peak: int
    events: tuple[str, ...]


class Server:
    """A process to fork from.

    Args:
        seconds: processor time that a command may take before it is killed.
        room: bytes of address space that a command may add before allocations fail.
    """

    def __init__(self, *, seconds: int = 20, room: int = 6 * 2**30) -> None:
        self._limits = {"seconds": seconds, "room": room}
        self._lock = threading.Lock()
        self._process = subprocess.Popen(
            [sys.executable, "-c", "import forking; forking.serve()"],
            env=os.environ
            | {
                "PYTHONPATH": os.pathsep.join([str(SUPPORT), str(ROOT)]),
                "OMP_NUM_THREADS": "1",
                "PYTHONWARNINGS": "default",
                "COLUMNS": "80",
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Server:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait(30)

    def run(self, *arguments: object, folder: Path, load: Path | None = None) -> Ran:
        """Run ``prunetool ARGUMENTS``; several threads may ask in turn.

        Args:
            folder: where it runs; writing outside it is an event.
            load: instead, unpickle this file for real, as a proof of what it would do.
        """
        request = {
            "arguments": [str(it) for it in arguments],
            "folder": str(folder),
            "load": None if load is None else str(load),
            **self._limits,
        }
        reply = self._ask(request)
        return Ran(**{**reply, "events": tuple(reply["events"])})

    def run_all(self, commands: Sequence[Sequence[object]], *, folder: Path) -> list[Ran]:
        """Run one after the other."""
        return [self.run(*command, folder=folder) for command in commands]

    def _ask(self, request: dict[str, object]) -> dict[str, object]:
        with self._lock:
            assert self._process.stdin is not None
            assert self._process.stdout is not None
            print(json.dumps(request), file=self._process.stdin, flush=True)
            line = self._process.stdout.readline()
        assert line, f"the server ended with {self._process.wait(30)}"
        reply: dict[str, object] = json.loads(line)
        return reply
