"""SIGTERM while a file is written: leave no half of it behind."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn


@contextmanager
def cleaning_up_at_sigterm() -> Iterator[None]:
    """Turn SIGTERM, where it would end the process at once, into an exit that cleans up first.

    Nothing is changed where the program deals with SIGTERM itself, or in other threads.
    """
    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, _exit)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _exit(number: int, frame: FrameType | None) -> NoReturn:
    sys.exit(128 + number)  # as a shell reports it
