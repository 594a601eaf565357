"""Lottery tickets: iterative magnitude pruning with rewinding, against the dense network and
against two controls that keep a ticket's masks or its weights but not both.

LeNet-300-100 after Frankle & Carbin 2019 (arXiv 1803.03635): a level trains the network, prunes
20 % of what is left of each hidden layer and 10 % of the output layer by magnitude, and sets the
weights back to what they were before the first training. Biases are not pruned.

    python scripts/bench_tickets.py                       the digits, some minutes
    python scripts/bench_tickets.py --data mnist.npz      another data set

dense     level 0, the reference: nothing is pruned
ticket    the pruned network, trained from its own initial weights
re-drawn  the same masks on newly drawn weights
shuffled  the ticket's initial weights under each layer's mask, its elements permuted
"""

from __future__ import annotations

import functools
import time
from argparse import Namespace
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import experiment
import lenet
import torch
from arguments import positive
from torch import Tensor

from prunetool import ModelPruning

HIDDEN_SHARE, OUTPUT_SHARE = 0.2, 0.1
# 21.1 % and 3.6 % of the weights of LeNet-300-100.
CONTROL_LEVELS = (7, 15)
# Added to a seed, for the draws of the controls.
REDRAW, SHUFFLE = 1_000, 2_000


@dataclass(frozen=True)
class Level:
    """What one level of one seed came to; accuracies in %, None where no control was trained.

    Attributes:
        left: weights left, in % of all weights.
    """

    left: float
    ticket: float
    redrawn: float | None = None
    shuffled: float | None = None

    def __str__(self) -> str:
        controls = {"re-drawn": self.redrawn, "shuffled": self.shuffled}
        trained = "".join(f", {name} {of:.2f} %" for name, of in controls.items() if of is not None)
        return f"{self.left:.2f} % left, ticket {self.ticket:.2f} %{trained}"


def by_hand(**choice: object) -> ModelPruning:
    """Give a callback that prunes when it is told to, each tensor by itself."""
    return ModelPruning(
        "l1_unstructured",
        use_global_unstructured=False,
        apply_pruning=False,
        use_lottery_ticket_hypothesis=False,
        **choice,
    )


def run_seed(seed: int, *, options: Namespace) -> list[Level]:
    """Train level after level, and the controls beside those that were asked for."""
    lenet.prepare(options.threads)
    data = lenet.load(options.data, lenet.Pixels(options.pixels))
    train = functools.partial(
        lenet.train,
        data=data,
        iterations=options.iterations,
        batch_size=options.batch_size,
        seed=seed,
    )
    model = lenet.LeNet(data.sizes, seed=seed)
    initial = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    hidden, output = by_hand(include=["hidden.*.weight"]), by_hand(include=["output.weight"])
    levels = []
    for number in range(options.levels + 1):
        started = time.perf_counter()
        ticket = train(model, callbacks=[hidden, output])
        masks = {**hidden.masks, **output.masks}
        level = Level(weights_left(masks), ticket)
        if number in options.control_levels:
            redrawn = lenet.LeNet(data.sizes, seed=seed + REDRAW)
            same = lenet.LeNet(data.sizes, seed=seed)
            level = Level(
                level.left,
                ticket,
                train(redrawn, callbacks=[masked(masks)]),
                train(same, callbacks=[masked(shuffled(masks, seed=seed + SHUFFLE))]),
            )
        levels.append(level)
        took = time.perf_counter() - started
        experiment.say(f"seed {seed}, level {number} of {options.levels}: {level}; {took:.0f} s")
        hidden.apply_pruning(HIDDEN_SHARE)
        output.apply_pruning(OUTPUT_SHARE)
        model.load_state_dict(initial)
    return levels


def masked(masks: Mapping[str, Tensor]) -> ModelPruning:
    """Give a callback that holds a model to ``masks`` and prunes nothing more."""
    callback = by_hand(parameter_names=["weight"])
    callback.initial_masks = dict(masks)
    return callback


def shuffled(masks: Mapping[str, Tensor], *, seed: int) -> dict[str, Tensor]:
    """Permute the elements of each mask at random."""
    generator = torch.Generator().manual_seed(seed)
    return {
        name: kept.flatten()[torch.randperm(kept.numel(), generator=generator)].view_as(kept)
        for name, kept in masks.items()
    }


def weights_left(masks: Mapping[str, Tensor]) -> float:
    """Give the share of weights that ``masks`` (bool, True where kept) leave, in %."""
    kept = sum(int(mask.count_nonzero()) for mask in masks.values())
    return 100 * kept / sum(mask.numel() for mask in masks.values())


def rows_of(results: Sequence[Sequence[Level]]) -> list[list[str]]:
    """Give a row of cells for each level, from the levels of each seed."""
    rows = []
    for number, seeds in enumerate(zip(*results, strict=True)):
        row = [str(number), f"{seeds[0].left:.2f}"]
        for name in ("ticket", "redrawn", "shuffled"):
            figures = [getattr(level, name) for level in seeds]
            row += experiment.each_and_mean(figures) if None not in figures else ("", "")
        rows.append(row)
    return rows


def verdict(results: Sequence[Sequence[Level]], number: int) -> str:
    """Compare the tickets of level ``number`` with the dense network and the controls, in words."""
    dense = [levels[0].ticket for levels in results]
    seeds = [levels[number] for levels in results]
    ticket = [level.ticket for level in seeds]
    above = {
        name: experiment.mean(ticket) - experiment.mean([getattr(level, name) for level in seeds])
        for name in ("redrawn", "shuffled")
    }
    return (
        f"At {seeds[0].left:.1f} % of the weights: "
        f"{experiment.at_least_dense('ticket', ticket, dense)}; "
        f"{above['redrawn']:+.2f} points above the same masks on re-drawn weights, "
        f"{above['shuffled']:+.2f} above shuffled masks"
    )


def read_options() -> Namespace:
    """Read the command line."""
    parser = experiment.parser("Lottery tickets against dense, re-drawn and shuffled networks.")
    parser.add_argument("--levels", type=positive, default=15, help="prunings")
    parser.add_argument(
        "--control-levels",
        type=experiment.integers,
        help="levels whose controls are trained, comma-separated; 7,15 unless there are fewer",
    )
    options = parser.parse_args()
    if options.control_levels is None:
        known = [level for level in CONTROL_LEVELS if level <= options.levels]
        options.control_levels = known or [options.levels]
    if max(options.control_levels) > options.levels:
        parser.error(f"--control-levels: expected at most --levels {options.levels}")
    return options


def main() -> None:
    """Run the experiment; print its table twice, and what it shows."""
    options = read_options()
    run = functools.partial(run_seed, options=options)
    results = experiment.for_each_seed(run, options.seeds, jobs=options.jobs)
    each = f"seed {' / '.join(map(str, options.seeds))}"
    headings = ["level", "weights left, %"]
    for name in ("ticket", "re-drawn", "shuffled"):
        headings += [f"{name}, {each}", "mean"]
    rows = rows_of(results)
    print(experiment.table(headings, rows), experiment.markdown(headings, rows), sep="\n\n")
    print()
    for number in options.control_levels:
        print(verdict(results, number))


if __name__ == "__main__":
    main()
