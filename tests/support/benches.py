"""Run a script of ``scripts/`` in its own process, and read the tables that it prints."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

SCRIPTS = Path(__file__).parent.parent.parent / "scripts"


def run_script(name: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run ``scripts/NAME`` with the package of this checkout."""
    return subprocess.run(
        [sys.executable, SCRIPTS / name, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(SCRIPTS.parent)},
        capture_output=True,
        text=True,
        timeout=900,  # only so that nothing waits for ever
        check=False,
    )


def markdown_table(text: str) -> tuple[list[str], list[list[str]]]:
    """Give the headings and rows of the one Markdown table in ``text``."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    headings, rule, *rows = ([cell.strip() for cell in line[1:-1].split("|")] for line in lines)
    assert set("".join(rule)) <= {"-", ":"}
    return headings, rows


def aligned_table(text: str) -> list[list[str]]:
    """Give the cells, headings first, of the aligned table that ``text`` begins with."""
    headings, rule, *rows = text.split("\n\n")[0].splitlines()
    columns = [match.span() for match in re.finditer("-+", rule)]
    return [[line[start:end].strip() for start, end in columns] for line in (headings, *rows)]
