"""Processes whose time and memory ``bench_checkpoints.py`` takes."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_PAUSE = 0.005  # seconds between two looks at a process

# Reads the files of a folder once, one after the other, and counts zeros; sys.argv: folder,
# "float32" or "bfloat16", elements of a block.
REFERENCE = """
import sys, pathlib
import numpy as np
folder, dtype, elements = pathlib.Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
block = np.empty(elements, np.float32 if dtype == "float32" else np.uint16)
whole = memoryview(block).cast("B")
zeros = 0
for path in sorted(folder.glob("*.safetensors")):
    with path.open("rb", buffering=0) as file:
        file.seek(8 + int.from_bytes(file.read(8), "little"))
        while count := file.readinto(whole):
            values = block[: count // block.itemsize]
            if dtype == "bfloat16":
                values = values & 0x7FFF
            zeros += len(values) - np.count_nonzero(values)
print(zeros)
"""

# Copies a file; sys.argv: from, to, "fsync" or "leave it to the system".
COPY = """
import os, shutil, sys
shutil.copyfile(sys.argv[1], sys.argv[2])
if sys.argv[3] == "fsync":
    with open(sys.argv[2], "rb") as file:
        os.fsync(file.fileno())
"""


@dataclass(frozen=True)
class Ran:
    """What a process came to.

    Attributes:
        seconds: from its start to its end, of the wall clock.
        cpu: seconds that it and the system computed for it; other work on the machine does not
            count there.
        peak: the largest RssAnon seen, in bytes; pages of mapped files are not in it.
        out: what it printed.
    """

    seconds: float
    cpu: float
    peak: int
    out: str


def run(arguments: Sequence[object]) -> Ran:
    """Run Python with ``arguments`` and watch it.

    Bytecode is kept, as where prunetool is installed: without, every start compiles it anew.
    """
    inherited = {name: it for name, it in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    start = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, *map(str, arguments)],
        env={**inherited, "PYTHONPATH": str(Path(__file__).parent.parent)},
        stdout=subprocess.PIPE,
        text=True,
    )
    peak, ended = 0, False
    while not ended:
        peak = max(peak, _anonymous(process.pid))
        time.sleep(_PAUSE)
        pid, status, usage = os.wait4(process.pid, os.WNOHANG)
        ended = pid != 0
    seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.stdout is not None
    out = process.stdout.read()
    process.stdout.close()
    if process.returncode:
        sys.exit(f"error: {' '.join(map(str, arguments))[:200]}: exit code {process.returncode}")
    return Ran(seconds, usage.ru_utime + usage.ru_stime, peak, out)


def _anonymous(pid: int) -> int:
    """Bytes of anonymous memory that a process holds; 0 once it has ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    except OSError:
        return 0
    lines = (line.split() for line in status.splitlines() if line.startswith("RssAnon:"))
    return next((int(number) * 1024 for _, number, _ in lines), 0)


def drop_from_cache(folder: Path) -> None:
    """Have the system forget what it holds of the files of a folder."""
    for path in folder.iterdir():
        descriptor = os.open(path, os.O_RDONLY)
        os.fsync(descriptor)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(descriptor)


def read_into_cache(folder: Path) -> None:
    """Read the files of a folder once."""
    for path in folder.iterdir():
        with path.open("rb", buffering=0) as file:
            while file.read(2**24):
                pass
