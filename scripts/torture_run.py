"""A run that is started, killed and resumed until it is done."""

from __future__ import annotations

import contextlib
import signal
import time
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torture_cases import TARGET, Configuration
from torture_process import Command, Running

from prunetool.training.recording.run_folder import RunFolder

# Names a file that gets one byte for each training step, whichever process takes it.
STEPS = "PRUNETOOL_TORTURE_STEPS"
LONGEST = 120  # seconds that no process needs
# What a process ends with, if the signal met its handlers, or came before or after they were set.
CODES = {
    signal.SIGKILL: (-9,),
    signal.SIGTERM: (143, -15),
    signal.SIGINT: (130, -2),
}


@dataclass(frozen=True)
class Run:
    """A run in a folder of its own.

    Attributes:
        case: what is trained.
        place: the folder.
        fork: whether its processes are forked.
    """

    case: Configuration
    place: Path
    fork: bool

    @cached_property
    def folder(self) -> RunFolder:
        """Its run folder."""
        return RunFolder(self.place / "run")

    @property
    def temporary(self) -> Path:
        """Where its processes put temporary files."""
        return self.place / "tmp"

    @property
    def log(self) -> Path:
        """All that they printed."""
        return self.place / "log.txt"

    @property
    def steps(self) -> int:
        """Training steps that all of them have taken."""
        with contextlib.suppress(FileNotFoundError):
            return (self.place / "steps").stat().st_size
        return 0

    @property
    def has_checkpoint(self) -> bool:
        """Whether there is something to go on from."""
        return self.folder.last.exists()

    def start(self) -> Running:
        """Go on with the run, or begin it anew where there is no checkpoint."""
        self.temporary.mkdir(parents=True, exist_ok=True)
        path = str(self.folder.path)
        anew = [TARGET, *self.case.options, "--accelerator", "cpu", "--output", path, "--force"]
        arguments = [path, "--resume"] if self.has_checkpoint else anew
        environment = {STEPS: str(self.place / "steps"), "TMPDIR": str(self.temporary)}
        command = Command(["train", *arguments], self.place, self.log, environment)
        return command.start(fork=self.fork)

    def printed(self, since: int = 0) -> str:
        """What was printed from a position of the log on."""
        with contextlib.suppress(FileNotFoundError):
            return self.log.read_bytes()[since:].decode(errors="replace")
        return ""

    @property
    def standing(self) -> Standing:
        """Where the last checkpoint stands."""
        return standing_of(self.folder.last) if self.has_checkpoint else Standing()


@dataclass(frozen=True, order=True)
class Standing:
    """How far a run has come; of two, the one that has come further is the greater.

    Attributes:
        round: of a ticket, from 1; 0 without a checkpoint.
        step: optimizer steps of the round.
        batches: of the epoch that is not over; 0 between two.
    """

    round: int = 0
    step: int = 0
    batches: int = 0


def standing_of(checkpoint: Path) -> Standing:
    """Read it from a checkpoint."""
    content: dict[str, Any] = torch.load(checkpoint, weights_only=True, mmap=True)
    progress = content["loops"]["fit_loop"]["epoch_loop.batch_progress"]["current"]
    return Standing(
        round=content["callbacks"]["PrunetoolRun"]["round"],
        step=content["global_step"],
        batches=progress["ready"],
    )


def undisturbed(case: Configuration, place: Path, *, fork: bool) -> tuple[Run, float]:
    """Train from beginning to end; give the run, and the seconds it took.

    Raises:
        RuntimeError: if that does not work.
    """
    run = Run(case, place, fork)
    started = time.perf_counter()
    code = run.start().wait(LONGEST)
    if code != 0:
        raise RuntimeError(f"{case.name}: ended with {code} undisturbed:\n{run.printed()}")
    return run, time.perf_counter() - started
