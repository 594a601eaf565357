"""Several real processes that run the same code, as under torchrun; all must end well."""

from __future__ import annotations

import os
import socket
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import IO

from warm import Program

SUPPORT = Path(__file__).parent
ROOT = SUPPORT.parent.parent
_CALL = """
import importlib, os, sys
import torch.distributed as dist
joined, module, name, *arguments = sys.argv[1:]
if joined == "True":
    # By a file: a store that rank 0 serves ends with it, while others may still look.
    rank, count = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    store = dist.FileStore("store", count)
    dist.init_process_group("gloo", store=store, rank=rank, world_size=count)
getattr(importlib.import_module(module), name)(*arguments)
if dist.is_initialized():
    dist.barrier()
    dist.destroy_process_group()
"""


def on_ranks(
    count: int, function: str, *arguments: object, joined: bool = True, timeout: float = 600
) -> list[str]:
    """Run ``module:function`` (of tests/support) in ``count`` processes; give what each printed.

    Args:
        joined: make the process group; otherwise that is left to Lightning.
    """
    with tempfile.TemporaryDirectory() as folder:
        called = [joined, *function.split(":"), *arguments]
        return run_ranks(_CALL, Path(folder), *called, ranks=count, timeout=timeout)


def run_ranks(
    source: str, folder: Path, *arguments: object, ranks: int = 2, timeout: float = 600
) -> list[str]:
    """Run Python source in ``ranks`` processes that find each other as under torchrun.

    They run in ``folder``, can import prunetool and this folder's modules, and see ``arguments``
    in ``sys.argv[1:]``. Lightning needs no launcher in them.

    Args:
        timeout: seconds for all of them; those still running are then killed.

    Returns:
        What each rank printed to stdout.

    Raises:
        AssertionError: if one fails or is late; with the output of all.
    """
    command = ["-c", source, *map(str, arguments)]
    port = _free_port()
    with ExitStack() as files:
        logs = [files.enter_context(tempfile.TemporaryFile("w+")) for _ in range(ranks)]
        errors = [files.enter_context(tempfile.TemporaryFile("w+")) for _ in range(ranks)]
        processes = [
            Program(
                *command,
                folder=folder,
                environment=_environment(rank, ranks, port),
                stdout=log,
                stderr=error,
            )
            for rank, (log, error) in enumerate(zip(logs, errors, strict=True))
        ]
        in_time = _wait(processes, timeout)
        shown, said = ([_read(log) for log in kind] for kind in (logs, errors))
    codes = [process.returncode for process in processes]
    if any(codes) or not in_time:
        reason = "" if in_time else f" after {timeout} s"
        parts = (
            f"--- rank {rank}: exit code {code}{reason}\n{text[-4000:]}"
            for rank, (code, text) in enumerate(zip(codes, said, strict=True))
        )
        raise AssertionError("\n".join(parts))
    return shown


def _read(log: IO[str]) -> str:
    log.seek(0)
    return log.read()


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def _environment(rank: int, ranks: int, port: int) -> dict[str, str]:
    return os.environ | {
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(SUPPORT)]),
        "PYTHONWARNINGS": "ignore",
        "OMP_NUM_THREADS": "1",
        "TORCHELASTIC_RUN_ID": "tests",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "GROUP_RANK": "0",
        "WORLD_SIZE": str(ranks),
        "LOCAL_WORLD_SIZE": str(ranks),
    }


def _wait(processes: list[Program], timeout: float) -> bool:
    """Wait until all are done, one has failed or it is late; kill what is left then."""
    deadline = time.monotonic() + timeout
    try:
        while None in (codes := [process.poll() for process in processes]):
            if any(codes):
                time.sleep(1)  # the others have a moment to say what they saw
                return True
            if time.monotonic() > deadline:
                return False
            time.sleep(0.05)
        return True
    finally:
        for process in processes:
            if process.poll() is None:
                process.kill()
            process.wait()
