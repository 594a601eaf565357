"""Schedules: when to prune, with the same network, sparsity and training for all.

LeNet-300-100, global magnitude pruning of its weights. References are the dense network and
Lightning's own callback, as far as it can do the same: it counts in epochs, of which a training
has ten here, and what it prunes compounds.

    python scripts/bench_schedules.py                     the digits, a few minutes
    python scripts/bench_schedules.py --data mnist.npz    another data set
"""

from __future__ import annotations

import functools
import time
from argparse import Namespace
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import experiment
import lenet
from lightning.pytorch import Callback
from lightning.pytorch.callbacks import ModelPruning as LightningModelPruning

from prunetool import ModelPruning
from prunetool.pruning.schedules import Schedule

END = 0.7  # of the training: pruning is over then
EVENTS = 100  # as many would fit into the whole training
DENSE, CUBIC = "dense", "cubic"

Make = Callable[[lenet.LeNet], list[Callback]]


@dataclass(frozen=True)
class Outcome:
    """What one training came to: accuracy on the test and share of zeros in the weights, in %."""

    accuracy: float
    sparsity: float

    def __str__(self) -> str:
        return f"{self.accuracy:.2f} % at {self.sparsity:.3f} % sparsity"


def variants(sparsity: float, iterations: int) -> dict[str, Make]:
    """Name what is compared, each with the callbacks that make it."""
    end, every = round(END * iterations), max(1, iterations // EVENTS)

    def ours(schedule: Schedule, end: int, every: int | None = None) -> Make:
        def make(model: lenet.LeNet) -> list[Callback]:
            return [
                ModelPruning(
                    "l1_unstructured",
                    parameter_names=["weight"],
                    use_lottery_ticket_hypothesis=False,
                    sparsity=sparsity,
                    schedule=schedule.value,
                    end=f"{end}s",
                    every=None if every is None else f"{every}s",
                )
            ]

        return make

    last = round(END * lenet.EPOCHS)
    return {
        DENSE: lambda model: [],
        "one-shot after training": ours(Schedule.ONE_SHOT, iterations),
        "one-shot at 70 %, then fine-tuning": ours(Schedule.ONE_SHOT, end),
        "the same by Lightning": theirs(sparsity, lambda epoch: epoch == last - 1),
        "linear": ours(Schedule.LINEAR, end, every),
        CUBIC: ours(Schedule.CUBIC, end, every),
        "exponential": ours(Schedule.EXPONENTIAL, end, every),
        "exponential by Lightning, an event an epoch": theirs(
            1 - (1 - sparsity) ** (1 / last), lambda epoch: epoch < last
        ),
    }


def theirs(amount: float, applies: Callable[[int], bool]) -> Make:
    """Prune ``amount`` of the rest with Lightning's callback after each epoch that ``applies``."""

    def make(model: lenet.LeNet) -> list[Callback]:
        return [
            LightningModelPruning(
                "l1_unstructured",
                parameters_to_prune=[(layer, "weight") for layer in model.layers],
                amount=amount,
                apply_pruning=applies,
                use_lottery_ticket_hypothesis=False,
            )
        ]

    return make


def run_seed(seed: int, *, options: Namespace) -> dict[str, Outcome]:
    """Train every variant from the same weights on the same batches."""
    lenet.prepare(options.threads)
    data = lenet.load(options.data, lenet.Pixels(options.pixels))
    outcomes = {}
    for name, make in variants(options.sparsity, options.iterations).items():
        started = time.perf_counter()
        model = lenet.LeNet(data.sizes, seed=seed)
        accuracy = lenet.train(
            model,
            data,
            make(model),
            iterations=options.iterations,
            batch_size=options.batch_size,
            seed=seed,
        )
        weights = [layer.weight for layer in model.layers]
        zeros = sum(weight.numel() - int(weight.count_nonzero()) for weight in weights)
        sparsity = 100 * zeros / sum(weight.numel() for weight in weights)
        outcomes[name] = Outcome(accuracy, sparsity)
        took = time.perf_counter() - started
        experiment.say(f"seed {seed}, {name}: {outcomes[name]}; {took:.0f} s")
    return outcomes


def rows_of(results: Sequence[dict[str, Outcome]]) -> list[list[str]]:
    """Give a row of cells for each variant, from the outcomes of each seed."""
    dense = experiment.mean([outcomes[DENSE].accuracy for outcomes in results])
    rows = []
    for name in results[0]:
        accuracies = [outcomes[name].accuracy for outcomes in results]
        sparsity = experiment.mean([outcomes[name].sparsity for outcomes in results])
        above = "" if name == DENSE else f"{experiment.mean(accuracies) - dense:+.2f}"
        rows.append([name, f"{sparsity:.3f}", *experiment.each_and_mean(accuracies), above])
    return rows


def verdicts(results: Sequence[dict[str, Outcome]]) -> list[str]:
    """Compare each schedule with the dense network, in words; cubic last."""
    accuracies = {name: [one[name].accuracy for one in results] for name in results[0]}
    dense = accuracies.pop(DENSE)
    return [
        experiment.at_least_dense(name, accuracies[name], dense)
        for name in sorted(accuracies, key=lambda name: name == CUBIC)
    ]


def main() -> None:
    """Run the experiment; print its table twice, and what it shows."""
    parser = experiment.parser("Pruning schedules against the dense network and Lightning's own.")
    parser.add_argument("--sparsity", type=fraction, default=0.95, help="in (0, 1)")
    options = parser.parse_args()
    if options.iterations < lenet.EPOCHS:
        parser.error(f"--iterations: expected at least {lenet.EPOCHS}, got {options.iterations}")
    run = functools.partial(run_seed, options=options)
    results = experiment.for_each_seed(run, options.seeds, jobs=options.jobs)
    each = f"accuracy, seed {' / '.join(map(str, options.seeds))}"
    headings = ["schedule", "sparsity, %", each, "mean", "above dense, points"]
    rows = rows_of(results)
    print(experiment.table(headings, rows), experiment.markdown(headings, rows), sep="\n\n")
    print("", *verdicts(results), sep="\n")


def fraction(text: str) -> float:
    """Read a number strictly between 0 and 1."""
    number = float(text)
    if not 0 < number < 1:
        raise ValueError(text)
    return number


if __name__ == "__main__":
    main()
