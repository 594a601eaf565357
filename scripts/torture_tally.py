"""What a torture came to, in numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, fields


@dataclass
class Tally:
    """Counts; each adds up over several jobs.

    Attributes:
        kills: processes that ended by a signal, by its name and exit code.
        during_write: kills while a file was being written.
        mid_epoch: kills that left a checkpoint in the middle of an epoch.
        resumes: processes that went on from a checkpoint.
        restarts: processes that began anew, as the one before was killed before the first
            checkpoint.
        finished: runs that ended.
        identical: those of them that equal the undisturbed run to the bit.
        steps: training steps of the runs that ended, if nothing had disturbed them.
        again: steps that these took more.
        losses: whatever is not as it should be, in words.
    """

    kills: Counter[str] = field(default_factory=Counter)
    during_write: int = 0
    mid_epoch: int = 0
    resumes: int = 0
    restarts: int = 0
    finished: int = 0
    identical: int = 0
    steps: int = 0
    again: int = 0
    losses: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        by_signal = ", ".join(f"{name} {count}" for name, count in sorted(self.kills.items()))
        share = 100 * self.again / max(self.steps, 1)
        lines = (
            f"kills {self.kills.total()} ({by_signal})",
            f"  during a write {self.during_write}",
            f"  that left a checkpoint in the middle of an epoch {self.mid_epoch}",
            f"resumes {self.resumes}",
            f"restarts before the first checkpoint {self.restarts}",
            f"runs finished {self.finished}, bit-identical to the undisturbed one {self.identical}",
            f"training steps {self.steps}, trained again {self.again} ({share:.1f} %)",
            f"losses {len(self.losses)}",
            *(f"  {loss}" for loss in self.losses),
        )
        return "\n".join(lines)


def total(tallies: Iterable[Tally]) -> Tally:
    """Add up."""
    result = Tally()
    for tally in tallies:
        for it in fields(Tally):
            setattr(result, it.name, getattr(result, it.name) + getattr(tally, it.name))
    return result
