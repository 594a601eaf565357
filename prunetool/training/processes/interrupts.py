"""Ctrl-C and SIGTERM as exceptions that leave a fit.

Lightning turns Ctrl-C into ``sys.exit(1)`` and takes note of SIGTERM only at certain points, to
exit with 0. Here the first signal while a model trains asks for a checkpoint between two batches;
a second one, and any at another time, ends the fit at once.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, NoReturn


class Terminated(BaseException):
    """SIGTERM arrived. Like KeyboardInterrupt, no error: ``except Exception`` lets it pass."""


class StopRequest:
    """Takes note of the first signal instead of raising, while it is armed."""

    def __init__(self) -> None:
        self._number: int | None = None
        self._before: dict[int, Any] = {}
        self._announced = False

    @property
    def name(self) -> str | None:
        """The signal that arrived, as ``"SIGTERM"``; None if there was none."""
        return None if self._number is None else signal.Signals(self._number).name

    def announces(self) -> bool:
        """Whether a signal was noted that nothing was said about; once."""
        unsaid = self._number is not None and not self._announced
        self._announced = self._announced or unsaid
        return unsaid

    def arm(self) -> None:
        """Take note from now on; to be disarmed where nobody looks at the note any more."""
        if threading.current_thread() is not threading.main_thread():
            return
        for number in (signal.SIGINT, signal.SIGTERM):
            if number not in self._before and signal.getsignal(number) is not signal.SIG_IGN:
                self._before[number] = signal.signal(number, self._note)

    def disarm(self) -> None:
        """Give the signals back their meaning; a note that was taken stays."""
        while self._before:
            number, before = self._before.popitem()
            if before is not None:
                signal.signal(number, before)

    def leave(self) -> NoReturn:
        """End the fit, as the signal that was noted would have."""
        assert self._number is not None
        self.disarm()
        _raise(self._number)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self._number is not None:
            self.disarm()
            _raise(number)
        self._number = number


@contextmanager
def interruptible() -> Iterator[None]:
    """Raise KeyboardInterrupt on Ctrl-C and Terminated on SIGTERM out of a ``with`` block."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, _terminate)
    try:
        yield
    except SystemExit as stop:
        if isinstance(stop.__context__, KeyboardInterrupt):
            raise KeyboardInterrupt from None
        if type(stop).__name__ == "SIGTERMException":  # one class in each Lightning
            raise Terminated from None
        raise
    finally:
        signal.signal(signal.SIGTERM, before)


def interrupt_behind(error: BaseException) -> BaseException | None:
    """Find the signal that an error came of: what torch or a user's code made of being left."""
    cause = error.__context__
    while cause is not None and not isinstance(cause, KeyboardInterrupt | Terminated):
        cause = cause.__context__
    return cause


def _terminate(number: int, frame: FrameType | None) -> None:
    raise Terminated


def _raise(number: int) -> NoReturn:
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    raise Terminated
