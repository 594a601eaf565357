from __future__ import annotations

import pytest
from run_on_disk import make_run

from prunetool.reports.counting.counting import choose_parameters
from prunetool.reports.pictures.subject import look
from prunetool.reports.pictures.terminal import ASCII, UNICODE, plots, signs_for

SCHEDULE = """\
sparsity  = achieved  o planned  @ both
100 % |
      |
 75 % |                      @==========
      |
 50 % |
      |           @==========
 25 % |
      |
  0 % |===========
      +---------------------------------
       0         10         20        30
                         optimizer steps"""


def drawn(folder, **options):
    chosen = choose_parameters(folder)
    return plots(look(chosen, chosen.report(), folder, masks=()), **options)


def test_the_schedule_by_hand(tmp_path):
    text = drawn(make_run(tmp_path / "run"), width=40, signs=ASCII)
    assert text.split("\n\n")[0] == SCHEDULE


@pytest.mark.parametrize("width", [1, 30, 80, 200])
@pytest.mark.parametrize("signs", [ASCII, UNICODE])
def test_it_fits(tmp_path, width, signs):
    lines = drawn(make_run(tmp_path / "run"), width=width, signs=signs).splitlines()
    charts = [line for line in lines if not line.startswith(("weights", "sparsity"))]
    assert max(map(len, charts)) <= max(width, 30)
    assert not [line for line in lines if line != line.rstrip()]


def test_bars_have_the_heights_of_the_counts(tmp_path):
    folder = make_run(tmp_path / "run")
    chosen = choose_parameters(folder)
    subject = look(chosen, chosen.report(), folder, masks=())
    (_, now), text = subject.moments(), plots(subject, width=80, signs=UNICODE)
    rows = [line.partition("│")[2] for line in text.split("\n\n")[2].splitlines()[1:7]]
    heights = [
        sum(UNICODE.levels.index(row[at]) for row in rows if at < len(row)) for at in range(64)
    ]
    highest, tallest = max(now.histogram.counts), max(heights)
    for count, height in zip(now.histogram.counts, heights, strict=True):
        assert (count > 0) == (height > 0)
        assert abs(height - count / highest * tallest) <= 1


def test_words_say_what_no_bar_shows(tmp_path):
    text = drawn(make_run(tmp_path / "run"), width=80, signs=ASCII)
    assert "weights before: 0 zeros (0.00 %), which no bar shows" in text
    assert "weights now: 120 zeros (75.00 %), which no bar shows" in text


def test_a_run_without_tables(tmp_path):
    folder = make_run(tmp_path / "run", events=None, metrics=None)
    text = drawn(folder, width=80, signs=ASCII)
    assert text.splitlines()[:2] == ["metrics.csv: is not there", "events.csv: is not there"]


@pytest.mark.parametrize(
    ("encoding", "signs"),
    [("utf-8", UNICODE), ("ascii", ASCII), ("latin-1", ASCII), (None, ASCII), ("none", ASCII)],
)
def test_signs_that_the_stream_can_hold(encoding, signs):
    assert signs_for(encoding) is signs
