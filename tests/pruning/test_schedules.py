from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from prunetool.pruning.schedules import Schedule, sparsity_at


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        (Schedule.ONE_SHOT, [0.0, 0.0, 0.0, 0.0, 0.8]),
        (Schedule.LINEAR, [0.0, 0.2, 0.4, 0.6, 0.8]),
        # 0.8 (1 - (3/4)^3) = 0.8 * 37/64 and so on
        (Schedule.CUBIC, [0.0, 0.4625, 0.7, 0.7875, 0.8]),
        # 1 - 0.2^x: the fourth root of 0.2 is 0.668740
        (Schedule.EXPONENTIAL, [0.0, 0.331260, 0.552786, 0.700930, 0.8]),
    ],
    ids=lambda value: value.value if isinstance(value, Schedule) else "",
)
def test_the_curves(schedule: Schedule, expected: list[float]) -> None:
    curve = [sparsity_at(schedule, x / 4, target=0.8) for x in range(5)]
    assert curve == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("schedule", Schedule)
@pytest.mark.parametrize("target", [0.0, 0.3, 0.9, 1.0])
def test_progress_outside_its_interval_is_the_nearer_end(schedule: Schedule, target: float) -> None:
    assert sparsity_at(schedule, -0.5, target=target) == 0.0
    assert sparsity_at(schedule, 1.5, target=target) == target


def test_exponential_takes_the_same_share_of_the_rest_each_time() -> None:
    kept = [1 - sparsity_at(Schedule.EXPONENTIAL, x / 10, target=0.95) for x in range(11)]
    shares = [after / before for before, after in pairwise(kept)]
    assert shares == pytest.approx([0.05**0.1] * 10)


@settings(max_examples=200, deadline=None)
@given(
    schedule=st.sampled_from(Schedule),
    target=st.floats(0, 1),
    progress=st.lists(st.floats(0, 1), min_size=2, max_size=6).map(sorted),
)
@example(schedule=Schedule.EXPONENTIAL, target=0.3, progress=[0.0, math.nextafter(1.0, 0.0)])
def test_the_sparsity_never_falls_and_ends_exactly_on_target(
    schedule: Schedule, target: float, progress: list[float]
) -> None:
    curve = [sparsity_at(schedule, x, target=target) for x in [*progress, 1.0]]
    assert curve == sorted(curve)
    assert curve[0] >= 0.0
    assert curve[-1] == target


class TestACurveOfTheUsersOwn:
    def test_it_gives_the_fraction_of_the_target_that_is_due(self) -> None:
        curve = [sparsity_at(lambda x: x * x, x / 4, target=0.8) for x in range(5)]
        assert curve == pytest.approx([0.0, 0.05, 0.2, 0.45, 0.8])

    def test_it_may_give_anything_that_is_a_number(self) -> None:
        assert sparsity_at(lambda x: np.float32(0.5), 0.1, target=0.8) == 0.4
        assert sparsity_at(lambda x: torch.tensor(0.25), 0.1, target=0.8) == 0.2
        assert sparsity_at(lambda x: True, 0.1, target=0.8) == 0.8

    def test_at_the_end_it_is_not_asked(self) -> None:
        def never(progress: float) -> float:
            raise AssertionError("called")

        assert sparsity_at(never, 1.0, target=0.8) == 0.8
        assert sparsity_at(never, 1.5, target=0.8) == 0.8

    def test_before_the_start_it_is_asked_about_the_start(self) -> None:
        asked = []
        sparsity_at(lambda x: asked.append(x) or 0.0, -0.5, target=0.8)
        assert asked == [0.0]

    @pytest.mark.parametrize(
        ("value", "shown"),
        [
            (-0.01, "-0.01"),
            (1.01, "1.01"),
            (90, "90"),
            (math.nan, "nan"),
            (math.inf, "inf"),
            (None, "None"),
            ("half", "'half'"),
            ([0.5], r"\[0.5\]"),
            (1j, "1j"),
        ],
    )
    def test_what_is_no_fraction_is_refused(self, value: object, shown: str) -> None:
        with pytest.raises(
            ValueError,
            match=rf"^schedule: your function gave {shown} at progress 0\.25; expected the",
        ):
            sparsity_at(lambda x: value, 0.25, target=0.8)  # type: ignore[arg-type,return-value]

    def test_its_own_errors_are_its_own(self) -> None:
        with pytest.raises(ZeroDivisionError):
            sparsity_at(lambda x: 1 / x, 0.0, target=0.8)
