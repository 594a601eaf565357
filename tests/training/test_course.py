"""Rounds as `prunetool train` runs them, against the same rounds in plain PyTorch."""

from __future__ import annotations

import csv
import os
from pathlib import Path

import pytest
import torch
from ticket import MATRICES, ByHand, Ticket

from prunetool.checkpoints.reader import open_checkpoint
from prunetool.errors import OptionError
from prunetool.training.options.command_line import place_from
from prunetool.training.options.options import from_values
from prunetool.training.options.round_options import rounds_of
from prunetool.training.run import Manners, Place, train

EPOCHS = 3


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Ticket, "interrupted_at", None)
    monkeypatch.setattr(Ticket, "steps_taken", 0)


def options_of(**values):
    fixed = {"target": "ticket:Ticket", "accelerator": "cpu", "max_epochs": EPOCHS, "seed": 4}
    return from_values({**fixed, "lottery_ticket": True, "sparsity": 0.6, "rounds": 3, **values})


def run(folder="out", notes=None, **values):
    manners = Manners(note=(notes if notes is not None else []).append, quiet=True)
    return train(options_of(**values), Place(output=Path(folder)), manners)


def resume(folder):
    place = place_from({"target": str(folder), "resume": True})
    return train(place.resumed.options, place, Manners(note=lambda line: None, quiet=True))


def load(path):
    return torch.load(path, weights_only=True)


def assert_equal(found, expected):
    assert found.keys() == expected.keys()
    differing = [name for name in found if not torch.equal(found[name], expected[name])]
    assert not differing


# In the first epoch, at its end, in the middle of the second, and at the end of it.
VARIANTS = [
    *(("weights", step) for step in (0, 1, 3, 4, 6, 8)),
    *(("lr", step) for step in (0, 3, 4, 6)),
    ("finetune", 0),
]


@pytest.mark.parametrize(("retrain", "step"), VARIANTS)
def test_every_round_ends_as_the_same_rounds_by_hand_to_the_bit(retrain, step):
    outcome = run(retrain=retrain, rewind_step=step)
    expected = ByHand(seed=4, epochs=EPOCHS, step=step)
    expected.run(retrain, list(rounds_of(options_of()).sparsities))

    assert len(expected.ends) == 3
    for number, weights in enumerate(expected.ends, start=1):
        assert_equal(load(outcome.folder.round(number))["state_dict"], weights)
    last = load(outcome.folder.last)
    assert_equal(last["state_dict"], expected.ends[-1])
    (optimizer,) = last["optimizer_states"]
    momentum = dict(zip(expected.momentum, optimizer["state"].values(), strict=True))
    assert_equal(
        {name: state["momentum_buffer"] for name, state in momentum.items()}, expected.momentum
    )
    zeros = sum(int((last["state_dict"][name] == 0).sum()) for name in MATRICES)
    assert (outcome.pruned, zeros) == (round(0.6 * 54), round(0.6 * 54))


def test_nothing_pruned_and_everything_rewound_is_the_first_round_again():
    outcome = run(sparsity=None, amount=0.0, rewind_step=6)
    with outcome.folder.metrics.open() as file:
        rows = list(csv.DictReader(file))
    first, *later = (
        [(row["epoch"], row["step"], row["val_loss"]) for row in rows if row["round"] == number]
        for number in ("1", "2", "3")
    )
    assert [epoch for epoch, _, _ in first] == ["1", "2", "3"]
    assert later == [first[1:], first[1:]]


def test_the_length_of_a_round_in_steps():
    outcome = run(max_epochs=None, max_steps=6)
    with outcome.folder.metrics.open() as file:
        steps = [(row["round"], row["step"]) for row in csv.DictReader(file)]
    assert steps == [(number, step) for number in "123" for step in ("4", "6")]


# --- what a run leaves --------------------------------------------------------------------------


def test_the_table_and_the_files():
    notes = []
    outcome = run(notes=notes)
    assert [(row.number, round(row.sparsity * 54)) for row in outcome.rounds] == [
        (1, 0), (2, 20), (3, 32)
    ]  # fmt: skip
    for row in outcome.rounds:
        content = load(outcome.folder.round(row.number))
        assert list(row.metrics) == ["val_loss"]
        assert row.metrics["val_loss"] == content["prunetool"]["metrics"]["val_loss"]
        pruned = sum(int((~mask).sum()) for mask in masks_in(outcome.folder.round(row.number)))
        assert pruned == round(row.sparsity * 54)
    assert [(e.epoch, e.step, e.planned, e.achieved) for e in outcome.history] == [
        (3, 12, pytest.approx(1 - 0.4**0.5), 20 / 54),
        (3, 12, 0.6, 32 / 54),
    ]
    assert outcome.line == "sparsity asked 0.600000 achieved 0.592593 pruned 32 of 54"
    assert notes[1:] == [
        "lottery ticket in 3 rounds, pruned and set back to step 0 between them",
        "density by round: 1.0000, 0.6325, 0.4000",
    ]
    names = sorted(path.name for path in outcome.folder.checkpoints.iterdir())
    assert names == ["last.ckpt", "rewind.ckpt", "round-1.ckpt", "round-2.ckpt", "round-3.ckpt"]


def masks_in(path):
    checkpoint = open_checkpoint(path)
    return [m.read(t.shape) for t in checkpoint.tensors.values() for m in t.masks]


def test_best_is_of_the_last_round_alone():
    outcome = run(monitor="val_loss:min", sparsity=0.9)
    with outcome.folder.metrics.open() as file:
        rows = list(csv.DictReader(file))
    assert min(rows, key=lambda row: float(row["val_loss"]))["round"] != "3"
    best = load(outcome.folder.best)["prunetool"]["metrics"]["val_loss"]
    assert repr(best) == min((r["val_loss"] for r in rows if r["round"] == "3"), key=float)
    assert sum(int((~mask).sum()) for mask in masks_in(outcome.folder.best)) == round(0.9 * 54)


def test_kept_masks_change_nothing_but_the_layout():
    plain, kept = run("plain", rewind_step=3), run("kept", rewind_step=3, permanent=False)
    weights = load(plain.folder.last)["state_dict"]
    layout = load(kept.folder.last)["state_dict"]
    assert {f"{name}_{part}" for name in MATRICES for part in ("orig", "mask")} <= layout.keys()
    folded = {
        name: layout[f"{name}_orig"] * layout[f"{name}_mask"] if name in MATRICES else layout[name]
        for name in weights
    }
    assert_equal(folded, weights)


@pytest.mark.parametrize(
    "pattern", [{"pattern": "2:4", "sparsity": None}, {"pattern": "channels", "dim": 1}]
)
@pytest.mark.parametrize("criterion", ["magnitude", "random", "saliency", "movement"])
def test_every_criterion_and_pattern_in_rounds(pattern, criterion):
    outcome = run(criterion=criterion, exclude=["last.*"], **pattern)
    assert not outcome.is_short
    (mask,) = masks_in(outcome.folder.last)
    if pattern["pattern"] == "2:4":
        assert mask.view(6, 2, 4).sum(-1).tolist() == [[2, 2]] * 6
    else:
        assert sorted(mask.sum(0).tolist()) == [0] * 5 + [6] * 3


def test_a_schedule_of_the_users():
    outcome = run(schedule="ticket:half_at_once")
    assert [round(row.sparsity * 54) for row in outcome.rounds] == [0, round(0.3 * 54), 32]


# --- controls -----------------------------------------------------------------------------------


def test_resampling_trains_the_tickets_masks_on_other_weights():
    ticket, control = run("ticket"), run("control", resample=True)
    for number in (1, 2):
        assert_equal(*(load(it.folder.round(number))["state_dict"] for it in (ticket, control)))
    masks = [masks_in(it.folder.last) for it in (ticket, control)]
    assert all(torch.equal(a, b) for a, b in zip(*masks, strict=True))
    first, second = (load(it.folder.last)["state_dict"]["first.weight"] for it in (ticket, control))
    alive = masks[0][0]
    assert not bool((first == second)[alive].any())


def test_shuffled_masks_are_as_sparse_as_the_tickets():
    ticket, control = run("ticket"), run("control", shuffle_masks=True)
    masks = [masks_in(it.folder.last) for it in (ticket, control)]
    assert [int(m.sum()) for m in masks[0]] == [int(m.sum()) for m in masks[1]]
    assert not torch.equal(masks[0][0], masks[1][0])
    rewound = load(control.folder.rewind)["state_dict"]["first.weight"]
    # Where the ticket was pruned and the control is not, the early weights are back.
    assert bool((rewound != 0).all())
    assert torch.equal(load(control.folder.last)["state_dict"]["first.weight"] != 0, masks[1][0])


def test_masks_of_the_checkpoint_to_start_from_are_shuffled_with_the_rest():
    start = run("start", lottery_ticket=False, rounds=None, sparsity=0.3)
    assert start.pruned == 16
    control = run("control", target="start/checkpoints/last.ckpt", rounds=2, shuffle_masks=True)
    assert [round(row.sparsity * 54) for row in control.rounds] == [16, 32]
    assert control.pruned == 32
    early, late = masks_in(control.folder.round(1)), masks_in(control.folder.last)
    assert bool((late[0] & ~early[0]).any())


# --- interrupted runs ---------------------------------------------------------------------------


STEPS = (
    5,  # in the second epoch of the first round
    14,  # in the first epoch of the second: back to the end of the first round
    18,  # in its second epoch
    31,  # in the last round
)
TICKETS = [
    {"rewind_step": 0},
    {"rewind_step": 2, "shuffle_masks": True},
    {"resample": True, "criterion": "random"},
    {"retrain": "lr", "rewind_step": 2, "criterion": "saliency"},
    {"retrain": "finetune", "permanent": False},
]


@pytest.mark.parametrize(("number", "values"), list(enumerate(TICKETS)), ids=str)
def test_an_interrupted_run_ends_as_an_uninterrupted_one(number, values):
    """After every second of the steps, in turns; after all with ``PRUNETOOL_WHOLE_MATRIX=1``."""
    whole = run("whole", monitor="val_loss:min", **values)
    all_of_them = os.environ.get("PRUNETOOL_WHOLE_MATRIX") == "1"
    for step in STEPS if all_of_them else STEPS[number % 2 :: 2]:
        assert_interrupted(values, step, whole)


def assert_interrupted(values, step, whole):
    folder = Path(f"parts-{step}")
    Ticket.steps_taken, Ticket.interrupted_at = 0, step
    with pytest.raises(KeyboardInterrupt):
        run(folder, monitor="val_loss:min", **values)
    Ticket.interrupted_at = None
    # Only the last round is at the final sparsity, and it begins after the 24th step.
    assert (folder / "checkpoints/best.ckpt").exists() == (step > 24 + 4)
    parts = resume(folder)

    for name in ("last.ckpt", "best.ckpt", "round-1.ckpt", "round-2.ckpt", "round-3.ckpt"):
        first, second = (load(it.folder.checkpoints / name) for it in (whole, parts))
        for key in ("state_dict", "optimizer_states", "lr_schedulers", "loops", "prunetool"):
            assert same(first[key], second[key]), (name, key)
    for file in ("metrics.csv", "events.csv"):
        assert (parts.folder.path / file).read_text() == (whole.folder.path / file).read_text()
    assert parts.rounds == whole.rounds


def same(first, second):
    if isinstance(first, dict):
        return first.keys() == second.keys() and all(same(first[k], second[k]) for k in first)
    if isinstance(first, list | tuple):
        return len(first) == len(second) and all(map(same, first, second))
    if isinstance(first, torch.Tensor):
        return torch.equal(first, second)
    return first == second


def test_a_model_that_asks_for_its_length_resumes_exactly_without_rounds_too():
    """It has the first iterator made before any hook: the resumed order of batches differed."""
    plain = {"lottery_ticket": False, "rounds": None}
    whole = run("whole", **plain)
    Ticket.steps_taken, Ticket.interrupted_at = 0, 6
    with pytest.raises(KeyboardInterrupt):
        run("parts", **plain)
    Ticket.interrupted_at = None
    parts = resume("parts")
    assert_equal(*(load(it.folder.last)["state_dict"] for it in (whole, parts)))
    assert parts.folder.metrics.read_text() == whole.folder.metrics.read_text()
    assert parts.folder.events.read_text() == whole.folder.events.read_text()


def test_a_round_that_is_over_can_be_gone_on_from():
    whole = run("whole")
    before = {n: load(whole.folder.round(n))["state_dict"] for n in (1, 2, 3)}
    resume(whole.folder.round(1))
    for number, weights in before.items():
        assert_equal(load(whole.folder.round(number))["state_dict"], weights)


def test_a_finished_run_has_nothing_to_resume():
    run().folder.report.write_text("{}")  # what the command leaves at its end
    with pytest.raises(OptionError, match="finished already, with 3 of 3 epochs"):
        resume("out")


def test_a_run_that_was_killed_before_its_report_is_brought_to_its_end():
    whole = run(monitor="val_loss:min")
    before = {it: it.read_bytes() for it in whole.folder.files}
    whole.folder.events.unlink()
    again = resume("out")
    assert {it: it.read_bytes() for it in whole.folder.files} == before
    assert (again.rounds, again.line) == (whole.rounds, whole.line)


def test_without_the_rewind_point_nothing_can_be_rewound():
    Ticket.interrupted_at = 18
    with pytest.raises(KeyboardInterrupt):
        run()
    Ticket.interrupted_at = None
    Path("out/checkpoints/rewind.ckpt").unlink()
    with pytest.raises(OptionError, match=r"rewind\.ckpt: is missing, and every further round"):
        resume("out")


# --- what cannot be done ------------------------------------------------------------------------


@pytest.mark.parametrize("step", [12, 100])
def test_a_step_beyond_the_round_is_refused_before_it(step):
    with pytest.raises(OptionError, match=f"--rewind-step {step}: a round has only 12 steps"):
        run(rewind_step=step)
    assert Ticket.steps_taken == 0
    assert not Path("out/checkpoints/last.ckpt").exists()


def test_an_amount_beyond_the_model_is_refused_before_the_first_round():
    with pytest.raises(OptionError, match="--amount: expected at most the 54 elements"):
        run(sparsity=None, amount=55)
    assert Ticket.steps_taken == 0


def test_a_step_that_an_early_stop_kept_out_of_reach():
    with pytest.raises(OptionError, match="--rewind-step 8: the first round ended before that"):
        run(target="ticket:Impatient", rewind_step=8)


def test_a_round_that_trained_nothing():
    with pytest.raises(OptionError, match="nothing was trained: the training ended before"):
        run(trainer={"max_time": {"seconds": 0}})


def test_schedulers_of_the_models_own_cannot_be_switched_off():
    with pytest.raises(OptionError, match="the model steps its own"):
        run(target="ticket:Stubborn", retrain="finetune")


def test_a_schedule_that_gives_no_fraction():
    with pytest.raises(OptionError, match=r"--schedule ticket:beyond: gave 1\.5 at progress 0\.5"):
        run(schedule="ticket:beyond")
