"""A report on a sharded folder needs memory for a tensor or two, not for the model."""

from __future__ import annotations

import subprocess
import sys

import pytest
import sharded
import torch

ROWS, COLUMNS, COUNT = 2048, 3072, 10
TENSOR = ROWS * COLUMNS * 4 / 2**20  # MiB: 24 of 240

# The peak of this process's own memory in MiB, before and after.
MEASURE = """
import resource, sys
from pathlib import Path
from prunetool.reports import report_on

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

small, large = map(Path, sys.argv[1:])
report_on(small)  # what is loaded once
before = peak()
print(report_on(large).total.parameters, peak() - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="units of ru_maxrss")
def test_one_tensor_at_a_time(tmp_path):
    small = sharded.save_folder(tmp_path / "small.ckpt", {"w": torch.ones(4, 4)})
    weights = {f"layers.{i}.weight": torch.randn(ROWS, COLUMNS) for i in range(COUNT)}
    moments = {name: {"exp_avg": torch.ones(ROWS, COLUMNS)} for name in weights}
    large = sharded.save_folder(
        tmp_path / "large.ckpt", weights, entries={"optimizer_0": {"state": moments}}
    )

    done = subprocess.run(
        [sys.executable, "-c", MEASURE, str(small), str(large)], capture_output=True, text=True
    )

    assert done.returncode == 0, done.stderr
    parameters, grown = done.stdout.split()
    assert int(parameters) == COUNT * ROWS * COLUMNS
    assert float(grown) < 3 * TENSOR
