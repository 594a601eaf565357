"""Ctrl-C and SIGTERM as exceptions that leave a fit.

Lightning turns Ctrl-C into ``sys.exit(1)`` and takes note of SIGTERM only at certain points, to
exit with 0. Here both end the fit at once; the last complete epoch is on the disk already.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Terminated(BaseException):
    """SIGTERM arrived. Like KeyboardInterrupt, no error: ``except Exception`` lets it pass."""


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


def _terminate(signum: int, frame: FrameType | None) -> None:
    raise Terminated
