"""The benchmark of a step runs, and its three networks are masked as they say."""

from __future__ import annotations

import re

from benches import run_script


def test_every_variant_is_timed_and_weighed():
    sizes = ("--layers", 2, "--width", 64, "--batches", 4, 8, "--steps", 3, "--threads", 1)
    done = run_script("bench_step.py", *sizes)
    assert done.returncode == 0, done.stderr
    titles = re.findall(r"^(.*, batch \d+): medians of 3 steps$", done.stdout, re.MULTILINE)
    optimizers = ("SGD, momentum", "AdamW")
    assert titles == [f"{name}, batch {batch}" for batch in (4, 8) for name in optimizers]
    rows = re.findall(
        r"^  (\S+) +[\d.]+ ms +[-+][\d.]+ % +([\d.]+) bytes", done.stdout, re.MULTILINE
    )
    assert rows == [("dense", "0.0"), ("torch.nn.utils.prune", "8.0"), ("prunetool", "4.0")] * 4
