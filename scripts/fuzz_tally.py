"""What a run of the fuzzer came to, as text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from fuzz_trial import Trial


def summary(trials: Sequence[Trial], *, seed: int, seconds: float) -> str:
    """Say what was tried, what came of it, and each problem with how to see it again."""
    failed = [it for it in trials if it.problems]
    slowest = max(trials, key=lambda it: it.seconds)
    largest = max(trials, key=lambda it: it.peak)
    codes = Counter(
        f"{command}: exit {code}" for it in trials for command, code in it.codes.items()
    )
    lines = [
        f"cases {len(trials)}, seed {seed}, {seconds:.0f} s",
        f"checkpoints {len({it.case.name for it in trials})}",
        f"containers {_counted(it.case.container for it in trials)}",
        f"mutations {_counted(it.case.mutation for it in trials)}",
        *(f"{outcome} {count}" for outcome, count in sorted(codes.items())),
        f"slowest {slowest.seconds:.2f} s of the processor (case {slowest.case.number})",
        f"largest {largest.peak / 1e6:.0f} MB (case {largest.case.number})",
        f"failures {len(failed)}",
        *(line for it in failed for line in described(it, seed)),
    ]
    return "\n".join(lines)


def described(trial: Trial, seed: int) -> list[str]:
    """Say what was wrong with one case, and how to replay it."""
    case = trial.case
    first = (
        f"FAILURE case {case.number} ({case.name}, {case.mutation}): replay with "
        f"--seed {seed} --only {case.number}"
    )
    return [first, *(f"    {it}" for it in trial.problems)]


def _counted(names: Iterable[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in Counter(names).most_common())
