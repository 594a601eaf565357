"""The benchmark of an event runs every way in a process of its own and compares them."""

from __future__ import annotations

import re

import pytest
from benches import run_script


@pytest.mark.slow
def test_prunetool_stands_beside_its_reference_and_a_read_pass():
    sizes = ("--tensors", 2, "--size", 64, "--events", 3, "--threads", 1, "--cases", 2)
    done = run_script("bench_selection.py", *sizes)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("2 tensors, 8,192 elements, 1 threads\n")
    rows = re.findall(r"^  (\S+) +[\d.]+ +[\d.]+ +[\d.]+ +[\d.]+ +[\d.]+$", done.stdout, re.M)
    assert rows == ["global_unstructured", "prunetool", "ln_structured", "prunetool"]
    assert len(re.findall(r"^  ratio +[\d.]+x +[\d.]+x +(?:[\d.]+|inf)x$", done.stdout, re.M)) == 2
    assert "one read pass" in done.stdout
