"""What bench_tickets.py and bench_schedules.py share beside the network: options, seeds, tables."""

from __future__ import annotations

import argparse
import multiprocessing
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from statistics import fmean
from typing import TypeVar

from arguments import positive
from lenet import Pixels

Result = TypeVar("Result")


def parser(description: str) -> argparse.ArgumentParser:
    """Give a parser with the options that every experiment has."""
    options = argparse.ArgumentParser(
        description=description, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    options.add_argument(
        "--data",
        type=Path,
        metavar="FILE",
        help="npz file with x_train, y_train, x_test, y_test; without it, scikit-learn's digits",
    )
    options.add_argument(
        "--pixels",
        choices=[pixels.value for pixels in Pixels],
        default=Pixels.STANDARD.value,
        help="scaled to mean 0 and standard deviation 1, or from 0 to 1",
    )
    options.add_argument("--seeds", type=integers, default="0,1", help="comma-separated")
    options.add_argument("--iterations", type=positive, default=10_000, help="steps of a training")
    options.add_argument("--batch-size", type=positive, default=60, help="images in a batch")
    options.add_argument("--threads", type=positive, default=1, help="of torch, in each process")
    options.add_argument("--jobs", type=positive, default=1, help="seeds that run side by side")
    return options


def integers(text: str) -> list[int]:
    """Read ``0,1``, each once and at least 0."""
    numbers = [int(part) for part in text.split(",")]
    if min(numbers) < 0 or len(set(numbers)) < len(numbers):
        raise argparse.ArgumentTypeError(f"expected different numbers from 0 on, got {text}")
    return numbers


def for_each_seed(run: Callable[[int], Result], seeds: Sequence[int], *, jobs: int) -> list[Result]:
    """Give ``run(seed)`` for each of ``seeds``, in their order, ``jobs`` of them at a time."""
    if jobs == 1:
        return [run(seed) for seed in seeds]
    # Forking a process in which torch has started threads may hang.
    fresh = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(max_workers=jobs, mp_context=fresh) as pool:
        return list(pool.map(run, seeds))


def say(message: str) -> None:
    """Report progress, on stderr: stdout carries the results alone."""
    print(message, file=sys.stderr, flush=True)


def mean(percentages: Sequence[float]) -> float:
    """Average; the same counts over the seeds give the same figure, whatever their order."""
    return round(fmean(percentages), 6)


def each_and_mean(percentages: Sequence[float]) -> tuple[str, str]:
    """Give a figure for each seed, and their mean, as two cells."""
    return " / ".join(f"{one:.2f}" for one in percentages), f"{mean(percentages):.2f}"


def at_least_dense(name: str, percentages: Sequence[float], dense: Sequence[float]) -> str:
    """Say whether mean accuracies (in %) reach the dense network's, by how many points and errors.

    Args:
        name: of what has the accuracies.
        percentages: for each seed.
        dense: likewise; the reference.
    """
    found, wanted = mean(percentages), mean(dense)
    holds = "yes" if found >= wanted else "no"
    errors = f", {(100 - found) / (100 - wanted):.2f} times its errors" if wanted < 100 else ""
    points = f"{found:.2f} % against {wanted:.2f} %, {found - wanted:+.2f} points"
    return f"{name} >= dense: {holds} ({points}{errors})"


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Align columns, the first to the left and the others to the right."""
    widths = [max(map(len, column)) for column in zip(headings, *rows, strict=True)]
    rule = ["-" * width for width in widths]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if column else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in (headings, rule, *rows)
    )


def markdown(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Give the same table in Markdown."""
    rule = ["---", *("---:" for _ in headings[1:])]
    return "\n".join(f"| {' | '.join(row)} |" for row in (headings, rule, *rows))
