"""Stopped after any epoch, or in the middle of one, and resumed in a new process: the same run.

Schedule x pattern x tickets x optimizer x layout of the masks, as ``prunetool train`` runs them.
``PRUNETOOL_WHOLE_MATRIX=1`` takes every combination, some minutes of them; without it, as many
are taken as have every pair of any two choices.
"""

from __future__ import annotations

import itertools
import os
import zlib
from dataclasses import astuple, dataclass
from pathlib import Path

import pytest
import torch
from benches import SCRIPTS
from resuming import RUN, SNAPSHOTS, STEPS_AN_EPOCH, STOP_AT, TARGET, Call, call_all, new_processes

STEPWISE = "linear, every 3 steps"
SCHEDULES = ("one-shot", "linear", "cubic", "exponential", STEPWISE)
PATTERNS = ("elements", "channels", "2:4")
NO_TICKET, IN_TRAINING, IN_ROUNDS = "no ticket", "ticket in one training", "ticket in rounds"
TICKETS = (NO_TICKET, IN_TRAINING, IN_ROUNDS)
REWIND_STEP = 3  # in the middle of an epoch
OPTIMIZERS = ("sgd", "adamw")
LAYOUTS = ("permanent", "keep-masks")


@dataclass(frozen=True)
class Case:
    schedule: str
    pattern: str
    ticket: str
    optimizer: str
    layout: str

    def __str__(self) -> str:
        return " - ".join(astuple(self))

    @property
    def epochs(self) -> int:
        """In all: the rounds of a ticket have two each."""
        if self.ticket != IN_ROUNDS:
            return 3
        return 4 if self.schedule == "one-shot" else 6

    @property
    def positions(self) -> list[int]:
        """For each step of the process, how many the weights have had then."""
        if self.ticket != IN_ROUNDS:
            return list(range(1, 3 * STEPS_AN_EPOCH + 1))
        whole = list(range(1, 2 * STEPS_AN_EPOCH + 1))
        return whole + (self.epochs // 2 - 1) * whole[REWIND_STEP:]

    @property
    def stop(self) -> int:
        """A step of the process that is not the last of an epoch; not the same for every case."""
        steps = [n for n, at in enumerate(self.positions, start=1) if at % STEPS_AN_EPOCH]
        return steps[zlib.crc32(str(self).encode()) % len(steps)]

    @property
    def arguments(self) -> list[str]:
        patterns = {
            "elements": "--sparsity 0.6",
            # The last matrix gives the outputs.
            "channels": "--pattern channels --dim 0 --sparsity 0.5 --exclude last.*",
            "2:4": "--pattern 2:4",
        }
        tickets = {
            NO_TICKET: "--max-epochs 3",
            IN_TRAINING: "--max-epochs 3 --lottery-epochs 1-2 --rewind-step 2",
            IN_ROUNDS: f"--max-epochs 2 --lottery-ticket --rounds {self.epochs // 2} "
            f"--rewind-step {REWIND_STEP}",
        }
        schedule = {STEPWISE: "linear --every 3s --end 9s"}.get(self.schedule, self.schedule)
        text = (
            f"{patterns[self.pattern]} {tickets[self.ticket]} --schedule {schedule} "
            f"--{self.layout} --model-arg optimizer={self.optimizer} --monitor val_loss:min"
        )
        return [TARGET, *text.split(), "--accelerator", "cpu", "--seed", "5"]


def cases(*, whole: bool) -> list[Case]:
    axes = (SCHEDULES, PATTERNS, TICKETS, OPTIMIZERS, LAYOUTS)
    found = []
    for numbers in itertools.product(*(range(len(axis)) for axis in axes)):
        case = Case(*(axis[number] for axis, number in zip(axes, numbers, strict=True)))
        if case.schedule == STEPWISE and case.ticket == IN_ROUNDS:
            continue  # refused: rounds are pruned between trainings
        found.append(case)
    return found if whole else covering_all_pairs(found)


def pairs_of(case: Case) -> set[tuple[tuple[int, str], ...]]:
    return set(itertools.combinations(enumerate(astuple(case)), 2))


def covering_all_pairs(found: list[Case]) -> list[Case]:
    """Choose greedily: each time the case that has the most pairs that none so far had."""
    left = set().union(*map(pairs_of, found))
    chosen = []
    while left:
        chosen.append(max(found, key=lambda case: len(pairs_of(case) & left)))
        left -= pairs_of(chosen[-1])
    return chosen


CASES = cases(whole=os.environ.get("PRUNETOOL_WHOLE_MATRIX") == "1")


@pytest.fixture(scope="module")
def compare():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(SCRIPTS)
        import torture_compare

        yield torture_compare


@pytest.fixture(scope="module")
def processes():
    with new_processes() as executor:
        yield executor


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_stopped_run_ends_as_an_undisturbed_one_to_the_bit(case, processes, compare, tmp_path):
    whole, stopped, copies = tmp_path / "whole", tmp_path / "stopped", tmp_path / "copies"
    calls = [
        Call([*case.arguments, "--output", str(whole)], {RUN: str(whole), SNAPSHOTS: str(copies)}),
        Call([*case.arguments, "--output", str(stopped)], {STOP_AT: str(case.stop)}),
    ]
    codes = processes.submit(call_all, tmp_path, calls).result()
    assert codes == [0, 143], printed(tmp_path)
    assert pruned(whole) > 0
    at = case.positions[case.stop - 1]
    assert position(stopped) == (at, at % STEPS_AN_EPOCH)

    runs = [*(copies / str(epoch) for epoch in range(1, case.epochs)), stopped]
    resumed = [Call([str(run), "--resume"]) for run in runs]
    codes = processes.submit(call_all, tmp_path, resumed).result()
    assert codes == [0] * len(runs), printed(tmp_path)
    for run in runs:
        assert compare.differences(run, whole) == [], run.name


def test_every_pair_of_choices_is_taken():
    for first, second in itertools.combinations(range(5), 2):
        pairs = {
            frozenset({(first, astuple(case)[first]), (second, astuple(case)[second])})
            for case in cases(whole=True)
        }
        taken = {
            frozenset({(first, astuple(case)[first]), (second, astuple(case)[second])})
            for case in CASES
        }
        assert taken == pairs


def printed(folder: Path) -> str:
    return (folder / "log.txt").read_text()


def pruned(run: Path) -> int:
    """Elements that the checkpoint's masks remove."""
    (state,) = (
        it
        for it in torch.load(run / "checkpoints/last.ckpt")["callbacks"].values()
        if "prunetool" in it
    )
    from prunetool.pruning.bits import unpack_bits

    masks = (unpack_bits(it["bits"], it["shape"]) for it in state["masks"].values())
    return sum(int((~mask).sum()) for mask in masks)


def position(run: Path) -> tuple[int, int]:
    """The optimizer steps of a checkpoint, and how many batches of its epoch these include."""
    content = torch.load(run / "checkpoints/last.ckpt")
    loop = content["loops"]["fit_loop"]["epoch_loop.batch_progress"]["current"]
    return content["global_step"], loop["ready"]
