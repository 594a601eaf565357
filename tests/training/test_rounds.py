from __future__ import annotations

from functools import partial
from itertools import pairwise

import pytest

from prunetool.errors import OptionError, UserCodeError
from prunetool.pruning.schedules import Schedule, sparsity_at
from prunetool.training.options.options import from_values
from prunetool.training.options.round_options import rounds_of
from prunetool.training.rounds import Retrain, Rounds, default_count, sparsities


def curve(schedule, target):
    return partial(sparsity_at, schedule, target=target)


def test_the_same_share_each_time():
    found = sparsities(4, 0.875, curve(Schedule.EXPONENTIAL, 0.875))
    assert found == (pytest.approx(0.5), pytest.approx(0.75), 0.875)


def test_linear():
    assert sparsities(5, 0.8, curve(Schedule.LINEAR, 0.8)) == pytest.approx((0.2, 0.4, 0.6, 0.8))


def test_two_rounds_have_one_pruning():
    assert sparsities(2, 0.3, curve(Schedule.CUBIC, 0.3)) == (0.3,)


@pytest.mark.parametrize(
    ("values", "expected"),
    [((0.5, 0.5, 0.9), (0.5, 0.5, 0.6, 0.6)), ((0.0, 0.1, 0.2), (0.0, 0.1, 0.2, 0.6))],
)
def test_what_is_pruned_stays_pruned_and_the_end_is_the_target(values, expected):
    found = iter(values)
    assert sparsities(5, 0.6, lambda progress: next(found)) == expected


@pytest.mark.parametrize(
    ("target", "count"),
    [
        (0.1, 2),
        (0.2, 2),  # exactly the rate
        (0.21, 3),
        (1 - 0.8**2, 3),
        (0.5, 5),  # 0.8 ** 4 is 0.41
        (1 - 0.8**15, 16),
        (0.964, 16),  # 3.6 % left, as in the paper
        (0.99, 22),
    ],
)
def test_as_many_rounds_as_remove_a_fifth_of_the_rest_each(target, count):
    assert default_count(target, curve(Schedule.EXPONENTIAL, target)) == count


def test_a_steeper_curve_takes_more_rounds():
    target = 0.5
    count = default_count(target, curve(Schedule.LINEAR, target))
    left = [1, *(1 - s for s in sparsities(count, target, curve(Schedule.LINEAR, target)))]
    assert min(b / a for a, b in pairwise(left)) >= 0.8
    fewer = [1, *(1 - s for s in sparsities(count - 1, target, curve(Schedule.LINEAR, target)))]
    assert min(b / a for a, b in pairwise(fewer)) < 0.8


def test_a_jump_is_in_no_number_of_rounds():
    with pytest.raises(OptionError, match="say how many with --rounds"):
        default_count(0.5, curve(Schedule.ONE_SHOT, 0.5))


# --- from options -------------------------------------------------------------------------------


def of(**values):
    return rounds_of(from_values({"target": "t", "lottery_ticket": True, **values}))


def test_no_ticket_is_one_training():
    assert of(lottery_ticket=False) == Rounds(1)
    assert of(lottery_ticket="0-3") == Rounds(1)
    assert (Rounds(1).lines, Rounds(1).rewinds) == ([], False)


def test_a_bare_ticket():
    rounds = of()
    assert (rounds.count, rounds.retrain, rounds.rewind_step) == (5, Retrain.WEIGHTS, 0)
    assert rounds.sparsities == (*(pytest.approx(1 - 0.5 ** (j / 4)) for j in (1, 2, 3)), 0.5)
    assert rounds.rewinds


def test_one_shot_is_two_rounds():
    assert of(schedule="one-shot", sparsity=0.9).sparsities == (0.9,)


def test_everything_said():
    rounds = of(rounds=3, retrain="lr", rewind_step=7, sparsity=0.75, schedule="linear")
    assert rounds == Rounds(3, (0.375, 0.75), retrain=Retrain.LR, rewind_step=7)
    assert rounds.lines == [
        "lottery ticket in 3 rounds, pruned between them, the learning rate set back to step 7",
        "density by round: 1.0000, 0.6250, 0.2500",
    ]


@pytest.mark.parametrize(
    ("amount", "line"),
    [
        (0.5, "density by round: 1.0000, 0.5000, 0.2500"),
        (10, "each pruning removes 10 of what remains"),
    ],
)
def test_amounts(amount, line):
    rounds = of(amount=amount, rounds=3, retrain="finetune")
    assert (rounds.sparsities, rounds.amount, rounds.rewinds) == (None, amount, False)
    assert rounds.lines[1] == line


def test_controls_are_said():
    (line, _) = of(rounds=2, resample=True, shuffle_masks=True).lines
    assert line.endswith("; the last with newly drawn weights (--resample) and shuffled masks "
                         "(--shuffle-masks)")  # fmt: skip


def test_a_function_of_the_users():
    assert of(rounds=4, sparsity=0.5, schedule="ticket:half_at_once").sparsities == (
        0.25, 0.25, 0.5
    )  # fmt: skip


def test_a_function_that_gives_no_fraction():
    with pytest.raises(OptionError, match=r"--schedule ticket:beyond: gave 1\.5 at progress 0\.5"):
        of(rounds=3, schedule="ticket:beyond")


def test_a_function_that_breaks():
    with pytest.raises(UserCodeError, match="calling math:acosh"):
        of(rounds=3, schedule="math:acosh")


def test_a_curve_that_falls():
    with pytest.raises(OptionError, match=r"falls from a sparsity of 0\.4000 to 0\.3000"):
        sparsities(4, 0.5, {1 / 3: 0.4, 2 / 3: 0.3}.__getitem__)
