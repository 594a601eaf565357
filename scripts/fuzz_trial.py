"""The commands on one damaged checkpoint, and what was wrong with what they did."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from forked import Ran, Server
from fuzz_cases import Case

SECONDS = 10  # of the processor
BYTES = 10**9
COMMANDS = {
    "report": ("report", "{input}", "--format", "json"),
    "finalize": ("finalize", "{input}", "-o", "{out}/final.ckpt"),
    "export": ("export", "{input}", "-o", "{out}/dense.safetensors"),
    "export --format sparse": (
        "export", "{input}", "--format", "sparse", "-o", "{out}/sparse.safetensors",
    ),
    "export of a sparse file": (
        "export", "{out}/sparse.safetensors", "--format", "dense", "-o", "{out}/again.safetensors",
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Trial:
    """What became of a case.

    Attributes:
        codes: the exit code of each command that was run.
        problems: what no user should see; a line each.
        seconds: of the slowest command.
        peak: memory of the largest one, in bytes.
    """

    case: Case
    codes: dict[str, int]
    problems: tuple[str, ...]
    seconds: float
    peak: int


def try_case(case: Case, server: Server, folder: Path) -> Trial:
    """Run every command on a case that is in ``folder``."""
    out = folder / "out"
    out.mkdir()
    before = _digests(case.path)
    codes: dict[str, int] = {}
    problems: list[str] = []
    rans: list[Ran] = []
    for name, command in COMMANDS.items():
        if name == "export of a sparse file" and codes["export --format sparse"] != 0:
            continue
        there = set(out.rglob("*"))
        ran = server.run(*(it.format(input=case.path, out=out) for it in command), folder=folder)
        rans.append(ran)
        codes[name] = ran.code
        problems += [f"{name}: {it}" for it in _problems(ran)]
        if ran.code != 0 and (left := set(out.rglob("*")) - there):
            problems.append(f"{name}: left {', '.join(it.name for it in left)} behind")
        if ran.code == 0 and name != "report" and set(out.rglob("*")) == there:
            problems.append(f"{name}: wrote nothing")
    if _digests(case.path) != before:
        problems.append("the input was changed")
    slowest, largest = max(it.seconds for it in rans), max(it.peak for it in rans)
    return Trial(case, codes, tuple(problems), slowest, largest)


def _problems(ran: Ran) -> Iterator[str]:
    last = (ran.err.strip().splitlines() or ["nothing"])[-1][:300]
    if ran.code < 0:
        yield f"ended by signal {-ran.code}"
    elif ran.code not in (0, 1, 2):
        yield f"exit code {ran.code}: {last}"
    elif "Traceback" in ran.err:
        yield f"a traceback: {last}"
    elif ran.code == 2 and (len(ran.err.splitlines()) != 1 or not ran.err.startswith("error: ")):
        yield f"not one line of an error: {ran.err[:300]!r}"
    elif ran.code == 0 and "Warning" in ran.err:
        yield f"a warning: {ran.err[:300]!r}"
    if ran.seconds > SECONDS:
        yield f"{ran.seconds:.1f} s"
    if ran.peak > BYTES:
        yield f"{ran.peak / 1e6:.0f} MB"
    if ran.events:
        yield f"did {', '.join(ran.events[:3])}"
    if ran.code == 0 and ran.out.startswith("{"):
        yield from _report_problems(ran.out)


def _report_problems(text: str) -> Iterator[str]:
    layers = json.loads(text)["layers"]
    if any(not 0 <= it["zeros"] <= it["parameters"] for it in layers):
        yield "more zeros than parameters"


def _digests(path: Path) -> dict[str, str]:
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    return {str(it): hashlib.sha256(it.read_bytes()).hexdigest() for it in files if it.is_file()}
