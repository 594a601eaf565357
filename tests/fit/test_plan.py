from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from lightning.fabric.utilities.exceptions import MisconfigurationException
from tiny import fit, seeded

from prunetool import ModelPruning
from prunetool.epochs import ChosenEpochs
from prunetool.fit.plan import Plan, in_words
from prunetool.fit.timeline import Timeline, Unit

NO_TICKET = {"use_lottery_ticket_hypothesis": False}

TARGET = Plan(
    method="L1Unstructured",
    elements=4474,
    tensors=3,
    sparsity=0.9,
    schedule="cubic",
    amount=0.5,
    events=4,
    timeline=Timeline(Unit.EPOCHS, 0, 4, 1),
    where="the end of every epoch",
    already=0,
    rewinds="never",
    each_tensor=False,
    unit="elements",
)
AMOUNT = replace(TARGET, sparsity=None, timeline=None)
HEAD = "L1Unstructured over 4474 elements in 3 tensors"


@pytest.mark.parametrize(
    ("plan", "lines"),
    [
        (TARGET, [f"{HEAD}: 90.00% sparse in 4 events, from epoch 1 to epoch 4 (cubic)"]),
        (
            replace(TARGET, events=1, schedule="one-shot", timeline=Timeline(Unit.STEPS, 2, 8, 6)),
            [f"{HEAD}: 90.00% sparse in one event, after step 8 (one-shot)"],
        ),
        (
            replace(TARGET, timeline=Timeline(Unit.STEPS, 2, 8, 3), events=2),
            [f"{HEAD}: 90.00% sparse in 2 events, from step 5 to step 8 (cubic)"],
        ),
        (replace(TARGET, sparsity=0.0), [f"{HEAD}: nothing is pruned (sparsity 0)"]),
        (
            replace(TARGET, already=2237),
            [
                f"{HEAD} (50.00% pruned already): 90.00% sparse in 4 events, "
                "from epoch 1 to epoch 4 (cubic)"
            ],
        ),
        (
            replace(TARGET, too_short=True),
            [
                f"{HEAD}: 90.00% sparse in 4 events, from epoch 1 to epoch 4 (cubic)",
                "the training ends before that: train longer, or choose an earlier end",
            ],
        ),
        (
            AMOUNT,
            [
                f"{HEAD}: 50.00% of the elements that remain at the end of every epoch, 4 times",
                "this compounds to 93.75% after 4 events; for 50.00% in all, give sparsity=0.5 "
                "instead of amount",
            ],
        ),
        (
            replace(AMOUNT, events=None),
            [
                f"{HEAD}: 50.00% of the elements that remain at the end of every epoch",
                "each event takes 50.00% of the rest, so the sparsity goes on rising; for 50.00% "
                "in all, give sparsity=0.5 instead of amount",
            ],
        ),
        (
            replace(AMOUNT, already=2237, events=2),
            [
                f"{HEAD} (50.00% pruned already): 50.00% of the elements that remain at the end "
                "of every epoch, 2 times",
                "this compounds to 87.50% after 2 events; for 50.00% in all, give sparsity=0.5 "
                "instead of amount",
            ],
        ),
        (
            replace(AMOUNT, events=1),
            [f"{HEAD}: 50.00% of the elements that remain at the end of every epoch, once"],
        ),
        (
            replace(AMOUNT, amount=3, unit="channels", each_tensor=True),
            [f"{HEAD}: 3 channels in each tensor at the end of every epoch, 4 times"],
        ),
        (
            replace(AMOUNT, amount=None),
            [f"{HEAD}: as much as `amount` says for the epoch, at the end of every epoch"],
        ),
        (
            replace(AMOUNT, amount=3, events=0, chosen_in_vain=True),
            [
                f"{HEAD}: no event in this training",
                "none of the epochs to prune at lies within this training: nothing is pruned",
            ],
        ),
        (
            replace(TARGET, events=None),
            [
                f"{HEAD}: 90.00% sparse in as many events as fall on the chosen epochs, from "
                "epoch 1 to epoch 4 (cubic)",
            ],
        ),
        (
            replace(TARGET, rewinds="but the last", events=1),
            [
                f"{HEAD}: 90.00% sparse in one event, after epoch 4 (cubic)",
                "after every event but one after the last training epoch the targets are reset to "
                "their early values (use_lottery_ticket_hypothesis=True)",
            ],
        ),
        (
            replace(TARGET, rewinds="as called", events=1),
            [
                f"{HEAD}: 90.00% sparse in one event, after epoch 4 (cubic)",
                "the targets are reset to their early values whenever your callable says so",
            ],
        ),
    ],
)
def test_the_plan_in_words(plan: Plan, lines: list[str]) -> None:
    assert in_words(plan) == lines


def curve_line(points: list[tuple[int, str, float]]) -> str | None:
    lines = in_words(replace(TARGET, curve=points))
    return lines[1] if len(lines) > 1 else None


class TestCurve:
    def test_a_short_curve_is_said_point_by_point(self) -> None:
        assert curve_line([(1, "epoch", 0.5), (2, "epoch", 0.875), (4, "epoch", 0.9)]) == (
            "planned by epoch: 50.00% after 1, 87.50% after 2, 90.00% after 4"
        )

    def test_a_single_event_has_no_curve(self) -> None:
        assert curve_line([]) is None
        assert curve_line([(4, "epoch", 0.9)]) is None

    @pytest.mark.parametrize(
        ("count", "said"),
        [
            (8, [1, 2, 3, 4, 5, 6, 7, 8]),
            (9, [1, 3, 5, 7, 9]),
            (10, [2, 4, 6, 8, 10]),
            (16, [2, 4, 6, 8, 10, 12, 14, 16]),
            (17, [2, 5, 8, 11, 14, 17]),
            (1000, [125, 250, 375, 500, 625, 750, 875, 1000]),
        ],
    )
    def test_a_long_curve_is_thinned_evenly_and_ends_at_its_end(
        self, count: int, said: list[int]
    ) -> None:
        line = curve_line([(m, "step", m / count) for m in range(1, count + 1)])
        words = ", ".join(f"{m / count:.2%} after {m}" for m in said)
        assert line == f"planned by step: {words}"


def planned(epochs: int, **arguments: Any) -> ModelPruning:
    model = seeded()
    pruning = ModelPruning(parameters_to_prune=model.weights(), **{**NO_TICKET, **arguments})
    fit(model, pruning, epochs=epochs)
    return pruning


class TestInAFit:
    def test_the_curve_is_what_the_events_then_come_to(self) -> None:
        pruning = planned(6, sparsity=0.9, schedule="linear")
        assert pruning.planned_events == [
            (1, "epoch", pytest.approx(0.225)),
            (2, "epoch", pytest.approx(0.45)),
            (3, "epoch", pytest.approx(0.675)),
            (4, "epoch", 0.9),
        ]
        assert pruning.plan_lines[1] == (
            "planned by epoch: 22.50% after 1, 45.00% after 2, 67.50% after 3, 90.00% after 4"
        )
        history = [(event.epoch, event.planned, event.achieved) for event in pruning.history]
        assert history == [
            (moment, sparsity, round(sparsity * 4474) / 4474)
            for moment, _, sparsity in pruning.planned_events
        ]

    def test_a_curve_of_the_users_own_is_planned_by_its_name(self) -> None:
        def slowly(progress: float) -> float:
            return progress**3

        pruning = planned(6, sparsity=0.8, schedule=slowly)
        assert pruning.plan_lines[0].endswith("from epoch 1 to epoch 4 (slowly)")
        assert [sparsity for _, _, sparsity in pruning.planned_events] == pytest.approx(
            [0.0125, 0.1, 0.3375, 0.8]
        )

    def test_where_a_callable_decides_nothing_is_planned(self) -> None:
        pruning = planned(4, sparsity=0.8, apply_pruning=lambda epoch: True)
        assert pruning.planned_events == []
        assert len(pruning.history) == 3
        assert not any("planned by" in line for line in pruning.plan_lines)

    def test_amounts_have_no_curve(self) -> None:
        pruning = planned(2, amount=100)
        assert pruning.planned_events == []
        assert [(e.planned, e.achieved) for e in pruning.history] == [
            (None, 100 / 4474),
            (None, 200 / 4474),
        ]

    @pytest.mark.parametrize(
        ("chosen", "events", "in_vain"),
        [
            ({0, 2}, "100 elements at the end of every epoch, 2 times", False),
            ({2}, "100 elements at the end of every epoch, once", False),
            ({7, 9}, "no event in this training", True),
        ],
    )
    def test_chosen_epochs_are_counted_and_those_beyond_the_end_named(
        self, chosen: set[int], events: str, in_vain: bool
    ) -> None:
        pruning = planned(3, amount=100, apply_pruning=ChosenEpochs(frozenset(chosen)))
        assert pruning.plan_lines[0].endswith(events)
        line = "none of the epochs to prune at lies within this training: nothing is pruned"
        assert (line in pruning.plan_lines) is in_vain
        assert len(pruning.history) == (0 if in_vain else len(chosen & {0, 1, 2}))

    def test_an_early_end_is_said(self) -> None:
        pruning = planned(2, sparsity=0.8, end=5)
        assert pruning.plan_lines[-1] == (
            "the training ends before that: train longer, or choose an earlier end"
        )

    def test_a_curve_that_falls_is_refused_before_the_training(self) -> None:
        with pytest.raises(MisconfigurationException, match=r"schedule: your function falls, from"):
            planned(4, sparsity=0.5, end=4, schedule=lambda x: x if x < 0.5 else 1.2 - x)

    def test_an_error_of_the_curves_own_stays_what_it_is(self) -> None:
        def broken(progress: float) -> float:
            raise ValueError("mine")

        with pytest.raises(ValueError, match=r"^mine$"):
            planned(4, sparsity=0.5, schedule=broken)

    def test_what_bounds_keep_an_amount_from_is_said(self) -> None:
        pruning = planned(3, amount=0.5, max_layer_sparsity=0.6)
        assert (
            "compounds to 87.50% after 3 events, of which the pattern and the layers' bounds let "
            "59.99% go"
        ) in pruning.plan_lines[1]
        assert pruning.pruned_elements == pruning.planned_elements == 2684
