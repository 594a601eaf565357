"""What a long command shows meanwhile, on stderr: how many bytes it has gone through.

A bar on a terminal, gone when the work is done; lines elsewhere, few of them; nothing at all for
what takes no time, or with --quiet.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from prunetool.checkpoints.progress import Advance, unseen
from prunetool.cli.interrupts import raise_missed_interrupt

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from prunetool.cli.output import Output

# Seconds from the start of the work until something is shown, and between lines.
_UNTIL_A_BAR = 0.5
_UNTIL_A_LINE = 2.0
_BETWEEN_LINES = 30.0
_GIGABYTE = 10**9

Clock = Callable[[], float]


@contextmanager
def working(
    output: Output, doing: str, total: int, *, clock: Clock = time.monotonic
) -> Iterator[Advance]:
    """Show how far work has come, as long as the ``with`` block runs.

    Args:
        doing: what is done to what, such as ``"reading model.ckpt"``.
        total: bytes that there are to go through.
        clock: the time in seconds, from any start.

    Yields:
        What to call with the bytes gone through since last time; one thread at a time.
    """
    raise_missed_interrupt()
    terminal = output.notes.is_terminal and not output.notes.is_dumb_terminal
    if output.quiet:
        yield _stoppable(unseen)
    elif terminal:
        bar = _Bar(output, doing, total, clock)
        try:
            yield _stoppable(bar.advance)
        finally:
            bar.stop()
    else:
        yield _stoppable(_Lines(output, doing, total, clock).advance)


def _stoppable(advance: Advance) -> Advance:
    def told(count: int) -> None:
        raise_missed_interrupt()
        advance(count)

    return told


class _Bar:
    """A bar with bytes, rate and the time that is left."""

    def __init__(self, output: Output, doing: str, total: int, clock: Clock) -> None:
        self._output, self._doing, self._total, self._clock = output, doing, total, clock
        self._started = clock()
        self._done = 0
        self._shown: tuple[Progress, TaskID] | None = None

    def advance(self, count: int) -> None:
        self._done += count
        if self._shown is not None:
            progress, task = self._shown
            progress.update(task, completed=self._done)
        elif self._clock() - self._started >= _UNTIL_A_BAR:
            self._shown = self._show()

    def _show(self) -> tuple[Progress, TaskID]:
        from rich.progress import (
            BarColumn,
            DownloadColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
            TransferSpeedColumn,
        )

        progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=None),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
            console=self._output.notes,
            transient=True,
            expand=True,
            redirect_stdout=False,  # else results printed meanwhile go to stderr
            get_time=self._clock,
        )
        task = progress.add_task(self._doing, total=self._total, completed=self._done)
        progress.start()
        return progress, task

    def stop(self) -> None:
        if self._shown is not None:
            self._shown[0].stop()


class _Lines:
    """A line when the work turns out to be long, and one now and then."""

    def __init__(self, output: Output, doing: str, total: int, clock: Clock) -> None:
        self._output, self._doing, self._total, self._clock = output, doing, total, clock
        self._started = clock()
        self._next = self._started + _UNTIL_A_LINE
        self._done = 0
        self._lines = 0

    def advance(self, count: int) -> None:
        self._done += count
        now = self._clock()
        if now < self._next:
            return
        self._output.note(f"{self._doing}: {self._how_far(now - self._started)}")
        self._next = now + _BETWEEN_LINES
        self._lines += 1

    def _how_far(self, seconds: float) -> str:
        total = f"{self._total / _GIGABYTE:.1f} GB"
        if self._lines == 0:
            return total
        rate = self._done / seconds / _GIGABYTE
        return f"{self._done / _GIGABYTE:.1f} of {total}, {rate:.2f} GB/s"
