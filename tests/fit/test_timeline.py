from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prunetool.fit.timeline import Length, Moment, Timeline, Unit, Window, timeline

EPOCHS, STEPS = Unit.EPOCHS, Unit.STEPS


def epochs(value: int) -> Moment:
    return Moment(value, EPOCHS)


def steps(value: int) -> Moment:
    return Moment(value, STEPS)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (3, epochs(3)),
        (0, epochs(0)),
        ("3", epochs(3)),
        (" 12 ", epochs(12)),
        ("500s", steps(500)),
        ("0s", steps(0)),
    ],
)
def test_moments_that_are_understood(value: int | str, expected: Moment) -> None:
    assert Moment.parse(value, what="start") == expected


@pytest.mark.parametrize(
    "value", [-1, "-1", "-5s", "", "s", "5 s", "5e", "1.5", 1.5, "500S", "five", True, None]
)
def test_moments_that_are_not(value: Any) -> None:
    with pytest.raises(
        ValueError, match=r"^every: expected epochs like 3 or steps like '500s', got"
    ):
        Moment.parse(value, what="every")


@pytest.mark.parametrize(
    ("window", "unit"),
    [
        (Window(), None),
        (Window(start=epochs(0)), None),
        (Window(start=epochs(2)), EPOCHS),
        (Window(end=steps(100)), STEPS),
        (Window(start=epochs(0), every=steps(5)), STEPS),  # nought belongs to both
        (Window(start=steps(0), end=epochs(5)), EPOCHS),
        (Window(start=epochs(1), end=epochs(5), every=epochs(2)), EPOCHS),
    ],
)
def test_the_unit_is_the_one_that_all_share(window: Window, unit: Unit | None) -> None:
    assert window.unit is unit


@pytest.mark.parametrize(
    ("window", "message"),
    [
        (Window(start=epochs(1), end=steps(9)), "must all be epochs or all be steps"),
        (Window(end=epochs(3), every=steps(9)), "must all be epochs or all be steps"),
        (Window(every=epochs(0)), "every: expected at least one epoch or step, got 0"),
        (Window(every=steps(0)), "every: expected at least one epoch or step, got 0"),
        (Window(end=epochs(0)), "end: expected a moment after the start, got 0 with start 0"),
        (
            Window(start=epochs(5), end=epochs(5)),
            "end: expected a moment after the start, got 5 with start 5",
        ),
        (Window(start=steps(5), end=steps(4)), "got 4 with start 5"),
    ],
)
def test_windows_that_mean_nothing(window: Window, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        window.unit  # noqa: B018
    with pytest.raises(ValueError, match=message):
        timeline(window, Length(10, 1000), endless=False)


@pytest.mark.parametrize(
    ("line", "total", "expected"),
    [
        (Timeline(EPOCHS, 0, 7, 1), 10, [1, 2, 3, 4, 5, 6, 7]),
        (Timeline(EPOCHS, 0, 7, 3), 10, [3, 6, 7]),
        (Timeline(EPOCHS, 2, 8, 3), 10, [5, 8]),
        (Timeline(EPOCHS, 2, 3, 5), 10, [3]),
        (Timeline(EPOCHS, 0, 7, 3), 6, [3, 6]),  # the training is over before the end
        (Timeline(EPOCHS, 0, 7, 3), 2, []),
        (Timeline(EPOCHS, 1, None, 2), 8, [3, 5, 7]),
        (Timeline(EPOCHS, 9, None, 2), 8, []),
        (Timeline(STEPS, 0, 700, 300), 1000, [300, 600, 700]),
    ],
)
def test_the_moments_of_events(line: Timeline, total: int, expected: list[int]) -> None:
    assert line.moments(total) == expected


TIMELINES = st.builds(
    lambda start, length, every: Timeline(STEPS, start, length and start + length, every),
    st.integers(0, 20),
    st.none() | st.integers(1, 40),
    st.integers(1, 15),
)


@settings(max_examples=200, deadline=None)
@given(line=TIMELINES, total=st.integers(0, 70))
def test_walking_through_a_training_meets_every_moment_once(line: Timeline, total: int) -> None:
    met, done = [], 0
    for now in range(total + 1):
        due = line.due(done=done, now=now)
        if due is not None:
            assert due == now
            met.append(due)
            done = due
    assert met == line.moments(total)


@settings(max_examples=200, deadline=None)
@given(line=TIMELINES, done=st.integers(0, 70), now=st.integers(0, 70))
def test_what_is_due_is_the_latest_moment_that_is_not_done(
    line: Timeline, done: int, now: int
) -> None:
    """Also after a jump: a resume, or several steps between two looks."""
    last = now if line.end is None else min(now, line.end)
    moments = [m for m in range(line.start + 1, last + 1) if (m - line.start) % line.every == 0]
    moments += [line.end] if line.end is not None and line.end <= now else []
    missed = [moment for moment in moments if moment > done]
    assert line.due(done=done, now=now) == (max(missed) if missed else None)


@pytest.mark.parametrize(
    ("moment", "expected"), [(0, 0.0), (2, 0.0), (3, 0.125), (6, 0.5), (10, 1.0), (12, 1.0)]
)
def test_progress_between_start_and_end(moment: int, expected: float) -> None:
    assert Timeline(EPOCHS, 2, 10, 1).progress(moment) == expected


def test_one_shot_is_the_end_alone() -> None:
    assert Timeline(EPOCHS, 2, 7, 1).as_one_shot().moments(10) == [7]


def test_without_an_end_there_is_no_progress_and_no_one_shot() -> None:
    endless = Timeline(EPOCHS, 0, None, 1)
    with pytest.raises(ValueError, match="a timeline without an end has no progress"):
        endless.progress(3)
    with pytest.raises(ValueError, match="one-shot pruning needs an end"):
        endless.as_one_shot()


@pytest.mark.parametrize(
    ("window", "length", "expected"),
    [
        (Window(), Length(10, 1000), Timeline(EPOCHS, 0, 7, 1)),
        (Window(), Length(4, 400), Timeline(EPOCHS, 0, 3, 1)),
        # fewer than three epochs' ends: ten times on the way
        (Window(), Length(3, 300), Timeline(STEPS, 0, 210, 21)),
        (Window(), Length(1, 5), Timeline(STEPS, 0, 4, 1)),
        (Window(), Length(3, None), Timeline(EPOCHS, 0, 2, 1)),
        (Window(), Length(1, None), Timeline(EPOCHS, 0, 1, 1)),
        (Window(), Length(None, 500), Timeline(STEPS, 0, 350, 35)),
        (Window(start=epochs(2)), Length(10, 1000), Timeline(EPOCHS, 2, 7, 1)),
        (Window(start=epochs(9)), Length(10, 1000), Timeline(EPOCHS, 9, 10, 1)),
        (Window(start=steps(500)), Length(10, 1000), Timeline(STEPS, 500, 700, 20)),
        (Window(every=steps(50)), Length(10, 1000), Timeline(STEPS, 0, 700, 50)),
        (Window(end=epochs(9), every=epochs(2)), Length(10, None), Timeline(EPOCHS, 0, 9, 2)),
        (Window(end=epochs(5)), Length(None, None), Timeline(EPOCHS, 0, 5, 1)),
        (Window(start=epochs(0)), Length(None, 500), Timeline(STEPS, 0, 350, 35)),
    ],
)
def test_what_was_not_said_is_settled(window: Window, length: Length, expected: Timeline) -> None:
    assert timeline(window, length, endless=False) == expected


@pytest.mark.parametrize(
    ("window", "length", "expected"),
    [
        (Window(), Length(10, 1000), Timeline(EPOCHS, 0, None, 1)),
        (Window(), Length(1, 5), Timeline(EPOCHS, 0, None, 1)),
        (Window(), Length(None, 500), Timeline(EPOCHS, 0, None, 1)),
        (Window(), Length(None, None), Timeline(EPOCHS, 0, None, 1)),
        (Window(end=epochs(4)), Length(10, 1000), Timeline(EPOCHS, 0, 4, 1)),
        (Window(every=steps(50)), Length(10, 1000), Timeline(STEPS, 0, None, 50)),
        # once an epoch, also where steps are counted
        (Window(start=steps(500)), Length(10, 1000), Timeline(STEPS, 500, None, 100)),
    ],
)
def test_an_end_is_not_made_up_for_an_endless_timeline(
    window: Window, length: Length, expected: Timeline
) -> None:
    assert timeline(window, length, endless=True) == expected


@pytest.mark.parametrize(
    ("window", "length"),
    [
        (Window(), Length(None, None)),
        (Window(every=steps(5)), Length(10, None)),
        (Window(start=epochs(1)), Length(None, 500)),
    ],
)
def test_an_unknown_length_needs_an_end(window: Window, length: Length) -> None:
    with pytest.raises(ValueError, match=r"no known length: say by when to prune \(end\)"):
        timeline(window, length, endless=False)


@pytest.mark.parametrize("length", [Length(None, 500), Length(10, None), Length(None, None)])
def test_an_epoch_of_unknown_length_is_no_interval(length: Length) -> None:
    with pytest.raises(ValueError, match=r"say how often to prune \(every\)"):
        timeline(Window(start=steps(500)), length, endless=True)
