"""The process that ``forked.py`` starts: it imports what the commands need, and forks for each."""

from __future__ import annotations

import contextlib
import functools
import gc
import json
import os
import resource
import signal
import sys
import tempfile
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import watching

_GRACE = 60  # seconds on the clock for what should take a few: the machine may be busy


def serve() -> None:
    """Answer requests from stdin, a line of JSON each, until it is closed."""
    with os.fdopen(os.dup(1), "w") as replies:
        os.dup2(2, 1)  # nothing that is imported may print into the replies
        _import_all()
        gc.freeze()  # a collection in a fork would copy everything that was imported
        for line in sys.stdin:
            print(json.dumps(_answer(json.loads(line))), file=replies, flush=True)


def _import_all() -> None:
    """Use every command once: what they import at their first use is imported then."""
    import torch
    from safetensors.torch import save_file

    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name, open(os.devnull, "w") as nowhere:
        folder = Path(name)
        weights = {"a.weight_orig": torch.ones(8, 8), "a.weight_mask": torch.eye(8)}
        torch.save(weights, folder / "a.pt")
        torch.save(weights, folder / "b.pt", _use_new_zipfile_serialization=False)
        save_file({"a.weight": torch.eye(8)}, folder / "c.safetensors")
        with contextlib.redirect_stdout(nowhere), contextlib.redirect_stderr(nowhere):
            for arguments in _each_command(folder):
                with contextlib.suppress(Exception):  # what fails here fails in the tests as well
                    _command([*arguments, "-q"])


def _each_command(folder: Path) -> Iterator[list[str]]:
    for name in ("a.pt", "b.pt", "c.safetensors"):
        file = str(folder / name)
        yield ["report", file, "--format", "json"]
        yield ["report", file]
        yield ["finalize", file, "-o", f"{file}.ckpt"]
        yield ["export", file, "-o", f"{file}.dense"]
        yield ["export", file, "-o", f"{file}.sparse", "--format", "sparse"]
        yield ["report", f"{file}.sparse"]
    yield ["report", str(folder)]


def _answer(request: dict[str, Any]) -> dict[str, Any]:
    with contextlib.ExitStack() as files:
        out, err, events = (
            files.enter_context(tempfile.TemporaryFile("w+", errors="replace")) for _ in range(3)
        )
        pid = os.fork()
        if pid == 0:
            _be_child(request, out, err, events)
        status, usage = _wait(pid)
        return {
            "code": os.waitstatus_to_exitcode(status),
            "out": _content(out),
            "err": _content(err),
            "seconds": usage.ru_utime + usage.ru_stime,
            "peak": usage.ru_maxrss * 1024,
            "events": _content(events).splitlines(),
        }


def _wait(pid: int) -> tuple[int, resource.struct_rusage]:
    """Wait; kill what sleeps for ever, which no limit of processor time would."""
    signal.signal(signal.SIGALRM, lambda *_: os.kill(pid, signal.SIGKILL))
    signal.alarm(_GRACE)
    _, status, usage = os.wait4(pid, 0)
    signal.alarm(0)
    return status, usage


def _content(file: IO[str]) -> str:
    file.seek(0)
    return file.read()


def _be_child(request: dict[str, Any], out: IO[str], err: IO[str], events: IO[str]) -> None:
    """Run the command and end; never returns."""
    code = 70
    try:
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        for number, file in ((1, out), (2, err)):
            os.dup2(file.fileno(), number)
        os.chdir(request["folder"])
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_CPU, (request["seconds"], request["seconds"] + 2))
        room = _address_space() + request["room"]
        resource.setrlimit(resource.RLIMIT_AS, (room, room))
        watching.watch(events.fileno(), Path(request["folder"]))
        if request["load"] is not None:
            code = _load(request["load"])
        else:
            code = _command(request["arguments"])
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def _address_space() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    return pages * resource.getpagesize()


@functools.cache
def _commands() -> Any:
    """Give the command line as ``prunetool`` has it; building it evaluates its annotations."""
    import typer

    from prunetool.cli.app import app

    return typer.main.get_command(app)


def _command(arguments: list[str]) -> int:
    from prunetool.cli.boundary import run

    sys.argv = ["prunetool", *arguments]
    return run(_commands())


def _load(path: str) -> int:
    """Unpickle as ``torch.load`` does for those who trust a file."""
    import pickle

    import torch

    try:
        torch.load(path, weights_only=False)
    except Exception:
        with open(path, "rb") as file:
            pickle.load(file)
    return 0
