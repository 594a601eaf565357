from __future__ import annotations

from prunetool.training.recording.events_file import write_events
from prunetool.training.round_book import Pruning


def test_a_row_an_event(tmp_path):
    path = tmp_path / "events.csv"
    write_events(path, [Pruning(1, 4, 0.25, 0.2), Pruning(2, 8, None, 1 / 3)])
    assert path.read_text() == (
        "event,epoch,step,planned,achieved\n1,1,4,0.250000,0.200000\n2,2,8,,0.333333\n"
    )


def test_a_dense_run(tmp_path):
    path = tmp_path / "events.csv"
    write_events(path, [])
    assert path.read_text() == "event,epoch,step,planned,achieved\n"
