"""Lottery tickets in rounds: how many trainings, and how sparse after which.

R trainings with R - 1 prunings between them: iterative magnitude pruning, Frankle & Carbin 2019,
arXiv 1803.03635. What a round begins with is in ``entering.py``. Pure decisions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from itertools import pairwise

from prunetool.errors import OptionError

# What one pruning may remove of what is left, where nothing else was said: Frankle & Carbin's.
RATE = 0.2
DEFAULT_SCHEDULE = "exponential"
_MOST_ROUNDS = 200
_ROUNDING = 1e-9

Curve = Callable[[float], float]


class Retrain(Enum):
    """What a round after the first begins with.

    ==========  ==================================================================
    weights     everything as of step K: weights, optimizer, schedulers, counters
                and random generators (Frankle & Carbin 2019; K > 0: Frankle et
                al. 2020, arXiv 1912.05671)
    lr          the trained weights; schedulers and counters as of step K, the
                optimizer without state (Renda et al. 2020, arXiv 2003.02389)
    finetune    the trained weights and the optimizer's state; the learning rate
                stays where it ended, schedulers are off
    ==========  ==================================================================
    """

    WEIGHTS = "weights"
    LR = "lr"
    FINETUNE = "finetune"


@dataclass(frozen=True)
class Rounds:
    """What the rounds of a run are.

    Attributes:
        count: trainings, at least 1; a run without rounds is one.
        sparsities: the absolute sparsity, in [0, 1), after each of the ``count - 1`` prunings;
            None where each removes ``amount`` of what remains.
        amount: a share in [0, 1] or a number of elements.
        retrain: what each round after the first begins with.
        rewind_step: K, in optimizer steps.
        resample: the last round trains newly drawn weights.
        shuffle: the last round trains under shuffled masks.
    """

    count: int
    sparsities: tuple[float, ...] | None = None
    amount: int | float | None = None
    retrain: Retrain = Retrain.WEIGHTS
    rewind_step: int = 0
    resample: bool = False
    shuffle: bool = False

    @property
    def rewinds(self) -> bool:
        """Whether a later round needs the state of step K."""
        return self.count > 1 and self.retrain is not Retrain.FINETUNE

    @property
    def lines(self) -> list[str]:
        """The plan in words; none for a run without rounds."""
        if self.count == 1:
            return []
        return [f"lottery ticket in {self.count} rounds, {self._between()}", self._densities()]

    def _between(self) -> str:
        match self.retrain:
            case Retrain.WEIGHTS:
                back = f"pruned and set back to step {self.rewind_step} between them"
            case Retrain.LR:
                back = f"pruned between them, the learning rate set back to step {self.rewind_step}"
            case Retrain.FINETUNE:
                back = "pruned between them, going on at the final learning rate"
        controls = {
            "newly drawn weights (--resample)": self.resample,
            "shuffled masks (--shuffle-masks)": self.shuffle,
        }
        last = " and ".join(name for name, given in controls.items() if given)
        return back + (f"; the last with {last}" if last else "")

    def _densities(self) -> str:
        if self.sparsities is None and not isinstance(self.amount, float):
            return f"each pruning removes {self.amount} of what remains"
        densities = [f"{self._density(number):.4f}" for number in range(1, self.count + 1)]
        return f"density by round: {', '.join(densities)}"

    def _density(self, number: int) -> float:
        if self.sparsities is None:
            assert self.amount is not None
            return float((1 - self.amount) ** (number - 1))
        return 1.0 if number == 1 else 1 - self.sparsities[number - 2]


def sparsities(count: int, target: float, curve: Curve) -> tuple[float, ...]:
    """Give the sparsity after each of ``count - 1`` prunings.

    Args:
        count: trainings, at least 2.
        target: sparsity in the end, in [0, 1).
        curve: maps progress j / (count - 1) in [0, 1] to the sparsity due, in [0, target].

    Returns:
        Never falling, the last exactly ``target``: what is pruned stays pruned.

    Raises:
        OptionError: if the curve falls.
    """
    found, least = [], 0.0
    for j in range(1, count - 1):
        due = curve(j / (count - 1))
        if due < least - _ROUNDING:
            raise OptionError(
                f"--schedule: falls from a sparsity of {least:.4f} to {due:.4f}; what is pruned "
                f"stays pruned, so it must never fall"
            )
        least = min(target, max(least, due))
        found.append(least)
    return (*found, target)


def default_count(target: float, curve: Curve, *, rate: float = RATE) -> int:
    """Give the fewest trainings such that no pruning removes more than ``rate`` of what is left.

    Raises:
        OptionError: if the curve jumps so that no number of rounds does.
    """
    for count in range(2, _MOST_ROUNDS + 1):
        densities = [1.0, *(1 - it for it in sparsities(count, target, curve))]
        pairs = pairwise(densities)
        if all(after >= before * (1 - rate) - _ROUNDING for before, after in pairs):
            return count
    raise OptionError(
        f"--schedule: in no number of rounds up to {_MOST_ROUNDS} does each pruning remove at most "
        f"{rate:.0%} of what is left; say how many with --rounds"
    )
