"""``scripts/bench_schedules.py`` at a small size."""

from __future__ import annotations

import numpy as np
import pytest
from benches import aligned_table, markdown_table, run_script

NAMES = [
    "dense",
    "one-shot after training",
    "one-shot at 70 %, then fine-tuning",
    "the same by Lightning",
    "linear",
    "cubic",
    "exponential",
    "exponential by Lightning, an event an epoch",
]


def assert_verdicts_follow(text, rows):
    """Every schedule is compared with the dense network, the cubic one last."""
    dense = float(rows[0][3])
    means = {row[0]: float(row[3]) for row in rows[1:]}
    lines = text.split("\n\n")[-1].splitlines()
    assert sorted(line.split(" >= ")[0] for line in lines) == sorted(means)
    assert lines[-1].startswith("cubic >= dense: ")
    for line in lines:
        name, rest = line.split(" >= dense: ")
        verdict = "yes" if means[name] >= dense else "no"
        assert rest.startswith(f"{verdict} ({means[name]:.2f} % against {dense:.2f} %, "), line


def test_the_digits_give_a_row_a_schedule():
    done = run_script("bench_schedules.py", "--iterations", 100, "--seeds", 3)
    assert done.returncode == 0, done.stderr
    headings, rows = markdown_table(done.stdout)
    assert headings == [
        *("schedule", "sparsity, %", "accuracy, seed 3", "mean", "above dense, points")
    ]
    assert aligned_table(done.stdout) == [headings, *rows]
    assert [row[0] for row in rows] == NAMES
    # 50,200 weights: 95 % is a whole number of them.
    assert [row[1] for row in rows[:-1]] == ["0.000", *["95.000"] * 6]
    # Lightning's shares of the rest are rounded seven times.
    assert float(rows[-1][1]) == pytest.approx(95, abs=0.01)
    accuracy = {row[0]: float(row[2]) for row in rows}
    assert accuracy["dense"] > 80
    assert accuracy["one-shot after training"] < accuracy["one-shot at 70 %, then fine-tuning"]
    assert accuracy["one-shot at 70 %, then fine-tuning"] < accuracy["dense"]
    assert_verdicts_follow(done.stdout, rows)
    assert "seed 3, exponential" in done.stderr


@pytest.mark.slow
def test_other_data_two_seeds_and_another_sparsity(tmp_path):
    draw = np.random.default_rng(0)
    np.savez(
        tmp_path / "data.npz",
        x_train=draw.integers(0, 9, (300, 5, 4)),
        y_train=draw.integers(0, 4, 300),
        x_test=draw.integers(0, 9, (100, 5, 4)),
        y_test=draw.integers(0, 4, 100),
    )
    done = run_script(
        "bench_schedules.py",
        *("--data", tmp_path / "data.npz", "--iterations", 20, "--batch-size", 30),
        *("--seeds", "0,1", "--jobs", 2, "--sparsity", 0.5),
    )
    assert done.returncode == 0, done.stderr
    headings, rows = markdown_table(done.stdout)
    assert headings[2] == "accuracy, seed 0 / 1"
    assert [row[1] for row in rows[:-1]] == ["0.000", *["50.000"] * 6]
    for row in rows:
        first, second = (float(cell) for cell in row[2].split(" / "))
        # A quarter of random classes is right by chance; a test of 100 images counts in whole ones.
        assert (first, second) == pytest.approx((25, 25), abs=20)
        assert float(row[3]) == (first + second) / 2
    assert_verdicts_follow(done.stdout, rows)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--sparsity", "1"), "invalid fraction value: '1'"),
        (("--iterations", "9"), "--iterations: expected at least 10, got 9"),
    ],
)
def test_bad_arguments_are_named(load_script, monkeypatch, capsys, arguments, message):
    monkeypatch.setattr("sys.argv", ["bench_schedules.py", *arguments])
    with pytest.raises(SystemExit) as end:
        load_script("bench_schedules").main()
    shown = capsys.readouterr()
    assert (end.value.code, shown.out) == (2, "")
    assert message in shown.err
