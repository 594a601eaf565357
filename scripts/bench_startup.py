"""What starting costs: --help of every command, completion, and report on a small file.

    python scripts/bench_startup.py

Help and completion stand against importing typer and rich.table, report against importing torch.
Every figure is the median of processes of their own, the two sides taking turns. By CPU time, of
the process and of the system for it, other work on the machine matters less.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import bench_children as children
from arguments import positive
from bench_children import Ran

LIBRARIES = "import typer, rich.table"
TORCH = "import torch"
COMMANDS = ("train", "report", "finalize", "export")
MAKE = """
import sys, torch
from safetensors.torch import save_file
save_file({"weight": torch.zeros(10, 10)}, sys.argv[1])
"""
# What bash runs for `prunetool re` and the tabulator.
COMPLETE = """
import os, sys
os.environ |= {
    "_PRUNETOOL_COMPLETE": "complete_bash", "COMP_WORDS": "prunetool re", "COMP_CWORD": "1"
}
sys.argv = ["prunetool"]
from prunetool.__main__ import main
main()
"""


@dataclass(frozen=True)
class Case:
    """Something that is started.

    Attributes:
        name: of the row.
        arguments: to Python.
        reference: code of the other side.
        limit: the ratio that it is to stay within.
    """

    name: str
    arguments: Sequence[object]
    reference: str
    limit: float


def cases(small: Path) -> list[Case]:
    """Everything that is measured; ``small`` is a file to report on."""
    helps = [("--help",), *((command, "--help") for command in COMMANDS)]
    found = [Case(f"`{' '.join(it)}`", ("-m", "prunetool", *it), LIBRARIES, 1.5) for it in helps]
    found.append(Case("completion of `re`", ("-c", COMPLETE), LIBRARIES, 1.5))
    found.append(Case("`report FILE`", ("-m", "prunetool", "report", small), TORCH, 1.3))
    return found


def measure(case: Case, repeats: int) -> list[str]:
    """Run both sides in turn, once before for the page cache, and give the row."""
    runs: dict[str, list[Ran]] = {"reference": [], "ours": []}
    for number in range(repeats + 1):
        pair = {
            "reference": children.run(["-c", case.reference]),
            "ours": children.run(case.arguments),
        }
        if number:
            for side, run in pair.items():
                runs[side].append(run)
    cpu = [statistics.median(run.cpu for run in of) for of in runs.values()]
    wall = [statistics.median(run.seconds for run in of) for of in runs.values()]
    print(f"{case.name}: {cpu[1] / cpu[0]:.2f} times", file=sys.stderr, flush=True)
    figures = (*cpu, cpu[1] / cpu[0], *wall, wall[1] / wall[0], case.limit)
    return [case.name, f"`{case.reference}`", *(f"{it:.2f}" for it in figures)]


def markdown(headings: list[str], rows: list[list[str]]) -> str:
    cells = [headings, ["---"] * len(headings), *rows]
    return "\n".join(f"| {' | '.join(row)} |" for row in cells)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description="Start-up of prunetool against that of the libraries that it needs.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--repeats", type=positive, default=7)
    parser.add_argument("--only", choices=["help", "report"], help="against typer, or torch")
    options = parser.parse_args()
    headings = ["prunetool", "against", "its CPU s", "CPU s", "times"]
    headings += ["its wall s", "wall s", "times", "at most"]
    with tempfile.TemporaryDirectory() as folder:
        small = Path(folder) / "small.safetensors"
        wanted = {"help": LIBRARIES, "report": TORCH}.get(options.only)
        chosen = [it for it in cases(small) if wanted in (None, it.reference)]
        if wanted != LIBRARIES:
            children.run(["-c", MAKE, small])
        print(markdown(headings, [measure(case, options.repeats) for case in chosen]))


if __name__ == "__main__":
    main()
