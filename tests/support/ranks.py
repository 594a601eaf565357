"""Several real processes that run the same function, joined by gloo; all must end well."""

from __future__ import annotations

import importlib
import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

_HERE = Path(__file__).parent


def on_ranks(
    count: int, function: str, *arguments: object, joined: bool = True, timeout: float = 240
) -> list[str]:
    """Run ``module:function`` (of tests/support) in ``count`` processes; give what each printed.

    Args:
        joined: make the process group; otherwise the environment is that of torchrun, for Lightning
            to make it.
    """
    with tempfile.TemporaryDirectory() as folder:
        group = folder if joined else "torchrun"
        environment = {} if joined else _as_torchrun(count)
        started = [
            _start(r, count, [group, function, *arguments], environment) for r in range(count)
        ]
        try:
            _wait(started, timeout)
        finally:
            for process in started:
                process.kill()
            outputs = [process.communicate() for process in started]
    failed = [
        f"rank {rank} exited with {process.returncode}:\n{err}"
        for rank, (process, (_, err)) in enumerate(zip(started, outputs, strict=True))
        if process.returncode
    ]
    assert not failed, "\n".join(failed)
    return [out for out, _ in outputs]


def _wait(started: list[subprocess.Popen[str]], timeout: float) -> None:
    """Wait for all; a process that fails leaves the others waiting for it."""
    end = time.monotonic() + timeout
    while any(process.poll() is None for process in started) and time.monotonic() < end:
        time.sleep(0.1)
        if any(process.poll() for process in started):
            time.sleep(2)
            return


def _as_torchrun(count: int) -> dict[str, str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    return {
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "LOCAL_WORLD_SIZE": str(count),
        "GROUP_RANK": "0",
        "TORCHELASTIC_RUN_ID": "none",
    }


def _start(
    rank: int, count: int, arguments: list[object], extra: dict[str, str]
) -> subprocess.Popen[str]:
    environment = {
        **os.environ,
        **extra,
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": str(count),
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": os.pathsep.join([str(_HERE.parent.parent), str(_HERE)]),
    }
    command = [sys.executable, "-W", "ignore", __file__, *map(str, arguments)]
    return subprocess.Popen(
        command,
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def _main(group: str, function: str, *arguments: str) -> None:
    import torch.distributed as dist

    rank, count = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    if group != "torchrun":
        store = dist.FileStore(str(Path(group) / "store"), count)
        dist.init_process_group("gloo", store=store, rank=rank, world_size=count)
    module, _, name = function.partition(":")
    getattr(importlib.import_module(module), name)(*arguments)
    if dist.is_initialized():
        dist.barrier()
        dist.destroy_process_group()


if __name__ == "__main__":
    _main(*sys.argv[1:])
