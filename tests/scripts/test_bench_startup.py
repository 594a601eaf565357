"""The benchmark of start-up: a row for all that is started, and ratios of what stands beside."""

from __future__ import annotations

import pytest
from benches import markdown_table, run_script


@pytest.mark.slow
def test_every_command_stands_beside_its_libraries():
    done = run_script("bench_startup.py", "--repeats", 1, "--only", "help")
    assert done.returncode == 0, done.stderr
    headings, rows = markdown_table(done.stdout)
    assert headings[:2] == ["prunetool", "against"]
    assert [row[0].strip("`") for row in rows] == [
        *("--help", "train --help", "report --help", "finalize --help", "export --help"),
        "completion of `re",
    ]
    for row in rows:
        its, ours, times = map(float, row[2:5])
        assert its > 0
        assert ours / its == pytest.approx(times, rel=0.2), row
    assert [float(row[-1]) for row in rows] == [1.5] * 6
