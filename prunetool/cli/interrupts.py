"""Ctrl-C, noticed even where it comes at a moment that swallows it.

Python drops a KeyboardInterrupt that is raised in a finalizer or in a callback of C code, which
happens while large libraries are imported. So that it came is remembered, and asked for again
before anything is written.
"""

from __future__ import annotations

import signal
from types import FrameType
from typing import NoReturn

INTERRUPTED = 130  # the exit code of Ctrl-C

_came = False


def remember_interrupts() -> None:
    """Have Ctrl-C remembered, and raised as Python does; only in the main thread."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _remember)


def raise_missed_interrupt() -> None:
    """Raise the KeyboardInterrupt of an earlier Ctrl-C that did not end the command."""
    if _came:
        raise KeyboardInterrupt


def _remember(number: int, frame: FrameType | None) -> NoReturn:
    global _came
    _came = True
    raise KeyboardInterrupt
