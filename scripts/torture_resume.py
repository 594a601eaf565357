"""Kill trainings at random moments, writes included, and resume them until they are done.

    python scripts/torture_resume.py                      50 kills, some minutes
    python scripts/torture_resume.py --signal mixed       SIGTERM and SIGINT among them
    python scripts/torture_resume.py --no-fork            every process with its own start-up

Every run is ``prunetool train`` in a real process, and has an undisturbed one to compare with: its
checkpoints (masks, weights, optimizer, random generators), metrics, events and report must be the
same to the bit. After each kill every checkpoint there is must be readable. Exit code 1 if
anything is lost.
"""

from __future__ import annotations

import argparse
import functools
import multiprocessing
import os
import random
import shutil
import signal
import sys
import tempfile
from argparse import Namespace
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import torch
from arguments import positive
from torture_blows import Blow, choose_blow, strike, unfinished
from torture_cases import CONFIGURATIONS
from torture_compare import damage_in, differences
from torture_run import CODES, LONGEST, Run, Standing, undisturbed
from torture_tally import Tally, total

SIGNALS = {
    "KILL": (signal.SIGKILL,),
    "TERM": (signal.SIGTERM,),
    "INT": (signal.SIGINT,),
    "mixed": (signal.SIGKILL, signal.SIGTERM, signal.SIGINT),
}
MOST = 8  # kills of one run: the next configuration is to have its turn


class Torture:
    """Runs of every configuration in turn, until there were enough kills.

    Args:
        options: of the command line.
        kills: how many there have to be.
        job: number of this one, from 0, of those that run side by side.
        place: a folder for everything.
    """

    def __init__(self, options: Namespace, *, kills: int, job: int, place: Path) -> None:
        self._options = options
        self._left = kills
        self._job = job
        self._place = place
        self._dice = random.Random(f"{options.seed} {job}")
        self.tally = Tally()

    def __call__(self) -> Tally:
        """Do it."""
        references: dict[str, tuple[Run, float]] = {}
        number = 0
        while self._left > 0 and len(self.tally.losses) < 20:
            case = CONFIGURATIONS[(number + self._job) % len(CONFIGURATIONS)]
            if case.name not in references:
                place = self._place / f"undisturbed-{len(references)}"
                references[case.name] = undisturbed(case, place, fork=self._options.fork)
            whole, seconds = references[case.name]
            run = Run(case, self._place / f"run-{number}", self._options.fork)
            self._torture(run, seconds)
            self._compare(run, whole)
            number += 1
        return self.tally

    def _torture(self, run: Run, seconds: float) -> None:
        """Kill and resume until the run ends by itself."""
        signals = SIGNALS[self._options.signal]
        for kill in range(1000):
            if kill:
                self.tally.resumes += run.has_checkpoint
                self.tally.restarts += not run.has_checkpoint
            wanted = self._left > 0 and kill < MOST
            blow = choose_blow(self._dice, signals, seconds) if wanted else None
            if not self._go_on(run, blow):
                return
        self._lose(run, "does not come to an end")

    def _go_on(self, run: Run, blow: Blow | None) -> bool:
        """Start a process and strike it; say whether the run has to be gone on with."""
        before, printed, steps = run.standing, len(run.printed().encode()), run.steps
        running = run.start()
        writing = blow is not None and strike(
            running, blow, run=run.folder.path, temporary=run.temporary
        )
        code = running.wait(LONGEST)
        if code is None:
            running.send(signal.SIGKILL)
            running.wait(LONGEST)
            self._lose(run, f"hangs after {blow}")
            return False
        if code == 0:
            return False
        last = (run.printed(printed).strip() or "nothing").splitlines()[-1]
        if code == 2 and "finished already" in last:
            return False  # killed while it printed; the comparison shows whether all is there
        if blow is None or code not in CODES[blow.signals[-1]]:
            self._lose(run, f"ends with {code} after {blow}, saying: {last}")
            return False
        if not self._is_whole(run, blow, before):
            return False
        self._count(run, blow, code, writing=writing)
        if blow.signals[0] is not signal.SIGKILL and run.steps > steps:
            self._check_manners(run, code, run.printed(printed))
        return True

    def _is_whole(self, run: Run, blow: Blow, before: Standing) -> bool:
        damage = damage_in(run.folder.path)
        for it in damage:
            self._lose(run, f"{it} after {blow}")
        if not damage and run.standing < before:
            self._lose(run, f"stands at {run.standing} after {blow}, and stood at {before}")
        return not damage

    def _count(self, run: Run, blow: Blow, code: int, *, writing: bool) -> None:
        left = unfinished(run.folder.path, run.temporary)
        during = bool(left) if blow.signals[0] is signal.SIGKILL else writing
        mid_epoch = run.standing.batches > 0
        self._left -= 1
        self.tally.kills[f"{blow.signals[0].name} exit {code}"] += 1
        self.tally.during_write += during
        self.tally.mid_epoch += mid_epoch
        self._say(
            f"{run.place.name} ({run.case.name}): {blow.signals[0].name} aimed {blow.aim.value}, "
            f"exit {code}{', during a write' if during else ''}"
            f"{', in the middle of an epoch' if mid_epoch else ''}"
            f"{'' if run.has_checkpoint else ', no checkpoint yet'}; {self._left} kills left"
        )

    def _check_manners(self, run: Run, code: int, printed: str) -> None:
        """A training that was asked to stop ends by itself, and says how to go on."""
        if "`Trainer.fit` stopped" in printed:  # it was over, or between two rounds
            return
        if code < 0:
            self._lose(run, f"was ended by signal {-code} while it trained")
        elif not run.has_checkpoint:
            self._lose(run, "has no checkpoint, although it trained")
        elif "go on with: prunetool train" not in printed:
            self._lose(run, "does not say how to go on")

    def _compare(self, run: Run, whole: Run) -> None:
        found = differences(run.folder.path, whole.folder.path)
        left = [it.name for it in unfinished(run.folder.path, run.temporary)]
        for difference in (*found, *(f"{name} is left over" for name in left)):
            self._lose(run, difference)
        self.tally.finished += 1
        self.tally.identical += not found
        self.tally.steps += whole.steps
        self.tally.again += run.steps - whole.steps
        self._say(f"{run.place.name} ({run.case.name}): {'differs' if found else 'identical'}")
        if not found and self._options.keep is None:
            shutil.rmtree(run.place)

    def _lose(self, run: Run, what: str) -> None:
        self.tally.losses.append(f"{run.place.name} ({run.case.name}): {what}")
        self._say(f"LOSS: {self.tally.losses[-1]}")

    def _say(self, line: str) -> None:
        job = f"job {self._job}, " if self._options.jobs > 1 else ""
        print(f"{job}{line}", file=sys.stderr, flush=True)


def run_job(job: int, *, options: Namespace, place: Path) -> Tally:
    """Take one job's share of the kills."""
    torch.set_num_threads(1)
    share = options.kills // options.jobs + (job < options.kills % options.jobs)
    return Torture(options, kills=share, job=job, place=place / f"job-{job}")()


def run_jobs(options: Namespace, place: Path) -> Tally:
    """Run all jobs, side by side if there are several."""
    run = functools.partial(run_job, options=options, place=place)
    if options.jobs == 1:
        return run(0)
    fresh = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(max_workers=options.jobs, mp_context=fresh) as pool:
        return total(pool.map(run, range(options.jobs)))


def read_options() -> Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description="Kill trainings at random moments and resume them; nothing may be lost.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--kills", type=positive, default=50, help="processes to be killed")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--signal", choices=SIGNALS, default="KILL", help="what is sent")
    parser.add_argument("--jobs", type=positive, default=1, help="runs side by side")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="keep all runs, in this folder")
    parser.add_argument(
        "--fork",
        action=argparse.BooleanOptionalAction,
        default=hasattr(os, "fork"),
        help="fork each process from one that has imported torch and Lightning",
    )
    return parser.parse_args()


def main() -> int:
    """Torture; print what it came to."""
    options = read_options()
    # Two processes on all cores each would wait for each other, and a fork wants no threads.
    os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = "1"
    if options.keep is not None:
        options.keep.mkdir(parents=True, exist_ok=True)
        tally = run_jobs(options, options.keep.resolve())
    else:
        with tempfile.TemporaryDirectory(prefix="torture-") as place:
            tally = run_jobs(options, Path(place).resolve())
    print(tally)
    return 1 if tally.losses else 0


if __name__ == "__main__":
    sys.exit(main())
