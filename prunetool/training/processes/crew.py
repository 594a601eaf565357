"""The other processes of a run: none is left behind, and none waits for one that is gone.

A process that waits for others in a collective runs no Python, so no signal handler and no
``finally`` of it either. A thread sees the signal, ends the processes that were started here, and
with them the wait; what still does not come out is ended from the thread.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import threading
import time
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any

from prunetool.errors import ProcessError
from prunetool.training.processes.first_to_fail import forget_the_place, share_a_place, starter
from prunetool.training.processes.interrupts import Terminated
from prunetool.training.processes.ranks import is_main

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_LOOK_EVERY = 0.2  # seconds
_PATIENCE = 10.0  # seconds for the main thread to come out of what it does
_AT_THE_END = 60.0  # seconds for the others to end by themselves after the training


class Crew:
    """The processes of one run, as a context around its fits.

    Leaving it ends what was started here. A signal, or a process that fails, decides what is
    raised then: whatever the fit made of it is a consequence.

    Args:
        farewell: says where the run stands, for a main thread that cannot.

    Raises:
        KeyboardInterrupt, Terminated: if a signal ended the run.
        ProcessError: if another process did.
    """

    def __init__(self, farewell: Callable[[], None]) -> None:
        self._farewell = farewell
        self._launcher: Any = None
        self._children: list[Any] = []
        self._signal: int | None = None
        self._failed: int | None = None
        self._left = threading.Event()
        self._thread: threading.Thread | None = None
        self._reading = self._writing = self._wakeup_before = -1

    def join(self, trainer: Any) -> None:
        """Watch over the processes of ``trainer``, which is about to fit; one needs no watch."""
        if trainer.num_devices * trainer.num_nodes == 1:
            return
        launcher = trainer.strategy.launcher
        if hasattr(launcher, "procs"):
            share_a_place()
            self._launcher = launcher
        if self._thread is None and threading.current_thread() is threading.main_thread():
            self._listen()
            self._thread = threading.Thread(target=self._watch, name="prunetool-crew", daemon=True)
            self._thread.start()

    def __enter__(self) -> Crew:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        if self._thread is None:
            return
        with _undisturbed():
            self._leave(error)
        match self._signal:
            case signal.SIGTERM:
                raise Terminated from None
            case signal.SIGINT:
                raise KeyboardInterrupt from None
        if self._failed is not None:
            raise ProcessError(_in_words(self._failed)) from error

    # --- the thread -------------------------------------------------------------------------

    def _watch(self) -> None:
        while not self._left.is_set():
            if number := self._signalled():
                self._end(number)
                return
            self._adopt()
            if starter() not in (None, os.getppid()):
                forget_the_place(maker_is_gone=True)
                os._exit(1)  # who started this process was killed
            if self._note_failure():
                self._leave_main_thread()
                return

    def _signalled(self) -> int | None:
        ready, _, _ = select.select([self._reading], [], [], _LOOK_EVERY)
        numbers = os.read(self._reading, 64) if ready else b""
        return next((number for number in numbers if number in _SIGNALS), None)

    def _adopt(self) -> None:
        """Take the launcher's processes over.

        Lightning kills this very process when it finds that one of them has failed, and lets them
        live when this one is told to end.
        """
        while self._launcher is not None and self._launcher.procs:
            self._children.append(self._launcher.procs.pop())

    def _note_failure(self) -> bool:
        codes = [child.poll() for child in self._children]
        self._failed = next((code for code in codes if code), None)
        return self._failed is not None

    def _end(self, number: int) -> None:
        if not is_main():
            os._exit(128 + number)  # the main process says what is to be said
        self._signal = number
        self._kill_children()
        if not self._left.wait(_PATIENCE):
            self._exit(128 + number)

    def _leave_main_thread(self) -> None:
        """A process failed: the main thread may wait for it, or compute for a long time."""
        time.sleep(_LOOK_EVERY)  # a signal to all of them may have arrived here last
        if number := self._signalled():
            self._failed = None
            self._end(number)
            return
        self._kill_children()
        os.kill(os.getpid(), signal.SIGTERM)
        if not self._left.wait(_PATIENCE):
            self._exit(2)

    def _exit(self, code: int) -> None:
        self._farewell()
        forget_the_place()
        os._exit(code)

    # --- the main thread --------------------------------------------------------------------

    def _leave(self, error: BaseException | None) -> None:
        if error is None:
            self._wait_for_children()
        elif isinstance(error, Exception):
            self._wait_for_a_cause()
        self._left.set()
        assert self._thread is not None
        self._thread.join()
        self._kill_children()
        self._stop_listening()

    def _wait_for_children(self) -> None:
        self._adopt()
        deadline = time.monotonic() + _AT_THE_END
        for child in self._children:
            with contextlib.suppress(Exception):
                child.wait(timeout=max(0.0, deadline - time.monotonic()))

    def _wait_for_a_cause(self) -> None:
        """An error here may follow from the end of another process, which shows a little later."""
        deadline = time.monotonic() + 1
        while self._children and not self._note_failure() and time.monotonic() < deadline:
            time.sleep(0.05)

    def _kill_children(self) -> None:
        self._adopt()
        for child in self._children:
            if child.poll() is None:
                child.kill()
                child.wait()

    def _listen(self) -> None:
        self._reading, self._writing = os.pipe()
        os.set_blocking(self._writing, False)
        self._wakeup_before = signal.set_wakeup_fd(self._writing, warn_on_full_buffer=False)
        # The workers of a DataLoader are not to report what they are told.
        os.register_at_fork(after_in_child=_deaf)

    def _stop_listening(self) -> None:
        signal.set_wakeup_fd(self._wakeup_before)
        os.close(self._reading)
        os.close(self._writing)


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """Let no handler raise where processes are ended; the thread still sees what arrives."""
    before = {number: signal.signal(number, lambda *_: None) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _deaf() -> None:
    with contextlib.suppress(ValueError):  # forked from another thread than the main one
        signal.set_wakeup_fd(-1)


def _in_words(code: int) -> str:
    if code > 0:
        return f"another process of the run ended with exit code {code}; what it printed says why"
    name = signal.Signals(-code).name
    return (
        f"another process of the run was ended by {name}"
        f"{' (is the memory enough for all of them?)' if name == 'SIGKILL' else ''}; "
        f"prunetool train RUN --resume goes on from its last checkpoint"
    )
