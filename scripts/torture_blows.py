"""When a process is struck: at any moment, while it writes a checkpoint, or just after it has.

The moments at which something could be lost are short, and seldom met by chance alone.
"""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from torture_process import Running

from prunetool.training.recording.run_folder import RunFolder

_LOOK_EVERY = 0.0003  # seconds
_PROBE = ".writable"  # made and removed before a run begins


class Aim(Enum):
    """What a blow waits for."""

    ANY_TIME = "at any moment"
    WRITE = "at a write"
    REPLACEMENT = "at what follows one"


@dataclass(frozen=True)
class Blow:
    """A signal to be sent, or two.

    Attributes:
        signals: in order.
        aim: what to wait for.
        turn: for which time, from 1.
        delay: seconds from then to the first signal.
        pause: seconds from one signal to the next.
    """

    signals: tuple[signal.Signals, ...]
    aim: Aim
    turn: int = 1
    delay: float = 0.0
    pause: float = 0.0


def choose_blow(dice: random.Random, signals: tuple[signal.Signals, ...], seconds: float) -> Blow:
    """Choose one at random.

    Args:
        dice: decides.
        signals: those to choose from.
        seconds: that an undisturbed run takes.
    """
    chosen = dice.choice(signals)
    # SIGKILL needs no second.
    again = chosen is not signal.SIGKILL and dice.random() < 0.2
    aim = dice.choices(list(Aim), weights=(3, 4, 3))[0]
    longest = {Aim.ANY_TIME: 0.7 * seconds, Aim.WRITE: 0.005, Aim.REPLACEMENT: 0.004}[aim]
    return Blow(
        signals=(chosen, chosen) if again else (chosen,),
        aim=aim,
        turn=1 if aim is Aim.ANY_TIME else dice.choice((1, 1, 2, 2, 3, 4)),
        delay=dice.uniform(0, longest),
        pause=dice.choice((0.0, 0.002, 0.05, 0.3)),
    )


def strike(running: Running, blow: Blow, *, run: Path, temporary: Path) -> bool:
    """Wait for the moment and send the signals.

    Args:
        running: the process.
        blow: what to do to it.
        run: its run folder.
        temporary: its folder for temporary files.

    Returns:
        Whether a file was being written when the first signal was sent; False as well if the
        process ended before.
    """
    match blow.aim:
        case Aim.ANY_TIME:
            pass
        case Aim.WRITE:
            _await_turn(running, blow.turn, lambda: bool(unfinished(run, temporary)))
        case Aim.REPLACEMENT:
            _await_turn(running, blow.turn, _replaced(RunFolder(run).last))
    if running.wait(blow.delay) is not None:
        return False
    writing = bool(unfinished(run, temporary))
    first, *others = blow.signals
    running.send(first)
    for number in others:
        running.wait(blow.pause)
        running.send(number)
    return writing


def unfinished(run: Path, temporary: Path) -> list[Path]:
    """Give the files that are being written, or that a killed process has left."""
    files = RunFolder(run)
    whole = {file.name for file in files.files}
    beside = [it for it in _entries(files.checkpoints) if it.name not in whole]
    texts = [it for it in _entries(run) if it.name.endswith(".tmp")]
    return [it for it in (*beside, *texts, *_entries(temporary)) if it.name != _PROBE]


def _entries(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []


def _replaced(file: Path) -> Callable[[], bool]:
    """Give a function that says whether ``file`` is another one than when it was last asked."""
    seen = [_identity(file)]

    def is_new() -> bool:
        before, seen[0] = seen[0], _identity(file)
        return seen[0] not in (before, None)

    return is_new


def _identity(file: Path) -> tuple[int, int] | None:
    try:
        about = file.stat()
    except OSError:
        return None
    return about.st_ino, about.st_mtime_ns


def _await_turn(running: Running, turn: int, happens: Callable[[], bool]) -> None:
    """Wait until ``happens`` has become true for the ``turn``-th time, or the process ended."""
    before = happens()
    while running.wait(0) is None:
        now = happens()
        if now and not before:
            turn -= 1
            if turn == 0:
                return
        before = now
        time.sleep(_LOOK_EVERY)
