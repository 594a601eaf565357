from __future__ import annotations

from pathlib import Path

import pytest
from rich.console import Console

from prunetool.cli.train_tables import evenly, events_table, rounds_table
from prunetool.training.outcome import Outcome
from prunetool.training.recording.run_folder import RunFolder
from prunetool.training.round_book import Pruning, RoundRow


def outcome(**more):
    return Outcome(RunFolder(Path("out")), asked=0.5, planned=1, pruned=1, elements=2, **more)


def lines(table):
    console = Console(width=200, no_color=True)
    with console.capture() as captured:
        console.print(table)
    return [line.rstrip() for line in captured.get().splitlines()]


def test_every_event():
    table, left_out = events_table(
        outcome(history=[Pruning(1, 4, 0.25, 0.2), Pruning(2, 8, None, 0.5)])
    )
    assert lines(table) == [
        "event  epoch  step   planned  achieved",
        "──────────────────────────────────────",
        "    1      1     4  0.250000  0.200000",
        "    2      2     8         -  0.500000",
    ]
    assert left_out == ""


def test_many_events_are_thinned_and_that_is_said():
    table, left_out = events_table(outcome(history=[Pruning(n, n, None, 0.5) for n in range(100)]))
    assert table.row_count == 15
    assert [line.split()[0] for line in lines(table)[2:]] == [
        "1", "8", "15", "22", "29", "36", "43", "51", "58", "65", "72", "79", "86", "93", "100"
    ]  # fmt: skip
    assert left_out == "15 of 100 events; all are in out/events.csv"


@pytest.mark.parametrize(
    ("count", "most", "chosen"),
    [(0, 3, []), (3, 3, [0, 1, 2]), (4, 3, [0, 2, 3]), (9, 3, [0, 4, 8])],
)
def test_evenly(count, most, chosen):
    assert evenly(count, most) == chosen


def test_every_round():
    rows = [
        RoundRow(1, 3, 12, 0.0, {"val_[b]acc": 0.75}),
        RoundRow(2, 3, 12, 0.2, {"val_[b]acc": 0.5, "loss": 1.23456789}),
    ]
    assert lines(rounds_table(outcome(rounds=rows))) == [
        "round   density  sparsity  val_[b]acc     loss  file",
        "─" * 76,
        "    1  1.000000  0.000000        0.75        -  out/checkpoints/round-1.ckpt",
        "    2  0.800000  0.200000         0.5  1.23457  out/checkpoints/round-2.ckpt",
    ]
