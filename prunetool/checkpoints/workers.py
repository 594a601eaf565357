"""Two threads that share out work: reading, summing and writing take no lock of Python's."""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Callable, Sequence
from queue import SimpleQueue

from prunetool.checkpoints.progress import Advance, unseen

THREADS = 2
Task = Callable[[Advance], object]  # tells often how far it is: there it may be stopped


class _StoppedError(Exception):
    """Another task failed, or a signal came."""


class _Work:
    """Tasks that several threads take from, and what comes of them."""

    def __init__(self, tasks: Sequence[Task]) -> None:
        self.told: SimpleQueue[int | None] = SimpleQueue()  # None when a thread ends
        self.errors: dict[int, BaseException] = {}
        self.stop = threading.Event()
        self._waiting = deque(enumerate(tasks))

    def do(self) -> None:
        try:
            while self._waiting and not self.stop.is_set():
                with contextlib.suppress(IndexError):  # the other thread took it
                    self._do(*self._waiting.popleft())
        finally:
            self.told.put(None)

    def _do(self, number: int, task: Task) -> None:
        try:
            task(self._tell)
        except _StoppedError:
            pass
        except BaseException as error:
            self.errors[number] = error
            self.stop.set()

    def _tell(self, count: int) -> None:
        if self.stop.is_set():
            raise _StoppedError
        self.told.put(count)


def share_out(tasks: Sequence[Task], advance: Advance = unseen, *, threads: int = THREADS) -> None:
    """Do all tasks, begun in their order.

    Args:
        advance: told of what the tasks tell, in the thread that calls this.

    Raises:
        BaseException: what a task, ``advance`` or the handler of a signal raised; all tasks have
            stopped by then. Of two errors, that of the earlier task.
    """
    work = _Work(tasks)
    started: list[threading.Thread] = []
    try:
        for _ in range(min(threads, len(tasks))):
            thread = threading.Thread(target=work.do)
            thread.start()
            started.append(thread)
        running = len(started)
        while running:
            count = work.told.get()
            if count is None:
                running -= 1
            else:
                advance(count)
    finally:
        work.stop.set()
        for thread in started:
            thread.join()
    if work.errors:
        raise work.errors[min(work.errors)]
