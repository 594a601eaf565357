"""What the commands that read checkpoints import, and that nobody pays for more."""

from __future__ import annotations

import subprocess
import sys

import pytest
import saved

LISTING = """
import sys
from prunetool.cli.app import app
from prunetool.cli.boundary import run
code = run(app)
roots = {name.partition(".")[0] for name in sys.modules}
heavy = {"torch", "lightning", "pytorch_lightning", "numpy", "pydantic", "pygments", "rich"}
print("imported", *sorted(roots & heavy), file=sys.stderr)
sys.exit(code)
"""

RUN_ALL = """
try:
    code = run(app)
except SystemExit as end:
    code = end.code
"""


def imported(*arguments):
    done = subprocess.run(
        [sys.executable, "-c", LISTING, *map(str, arguments)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stderr.splitlines()[-1], done.stdout


@pytest.mark.parametrize("command", [[], ["report"], ["finalize"], ["export"], ["train"]])
def test_help_imports_nothing_heavy(command):
    modules, shown = imported(*command, "--help")

    assert modules == "imported"
    assert "Example: prunetool " in " ".join(shown.split())


@pytest.mark.parametrize("command", ["report", "finalize", "export"])
def test_reading_does_not_import_lightning(command, tmp_path):
    modules, _ = imported(command, saved.save_masked(tmp_path / "a.ckpt"))

    imports = set(modules.split()[1:])
    assert "torch" in imports
    assert imports <= {"torch", "numpy", "rich", "pydantic"}  # as typer reads values


def test_completing_a_command_imports_nothing_heavy(monkeypatch):
    monkeypatch.setenv("_PRUNETOOL_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", "prunetool re")
    monkeypatch.setenv("COMP_CWORD", "1")
    code = "import sys; sys.argv[0] = 'prunetool'\n" + LISTING.replace("code = run(app)", RUN_ALL)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)

    assert (done.stderr, done.stdout) == ("imported\n", "report\n")
