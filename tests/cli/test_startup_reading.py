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
print("imported", *sorted(roots & {"torch", "lightning", "pytorch_lightning"}), file=sys.stderr)
sys.exit(code)
"""


def imported(*arguments):
    done = subprocess.run(
        [sys.executable, "-c", LISTING, *map(str, arguments)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stderr.splitlines()[-1], done.stdout


@pytest.mark.parametrize("command", [[], ["report"], ["finalize"], ["export"], ["train"]])
def test_help_imports_neither_torch_nor_lightning(command):
    modules, shown = imported(*command, "--help")

    assert modules == "imported"
    assert "Example: prunetool " in " ".join(shown.split())


@pytest.mark.parametrize("command", ["report", "finalize", "export"])
def test_reading_does_not_import_lightning(command, tmp_path):
    modules, _ = imported(command, saved.save_masked(tmp_path / "a.ckpt"))

    assert modules == "imported torch"
