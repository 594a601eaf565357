"""Bringing files to the disk, which takes time but no computing, beside other work."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from types import TracebackType
from typing import Self

_MOST_WAITING = 16  # files, which are open
_PAUSE = 0.25  # seconds


class Syncing:
    """Does so in one thread, file after file; it has ended when the ``with`` block has."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1)
        self._waiting: deque[Future[None]] = deque()

    @contextmanager
    def during(self, descriptor: int) -> Iterator[None]:
        """While the block runs, bring what it has written so far to the disk.

        Raises:
            OSError: if that failed for an earlier file.
        """
        done = threading.Event()
        self._begin(descriptor, lambda own: _sync_until(done, own))
        try:
            yield
        finally:
            done.set()

    def sync(self, descriptor: int) -> None:
        """Begin with the whole of a file, which may be closed meanwhile.

        Raises:
            OSError: if that failed for an earlier file.
        """
        self._begin(descriptor, os.fsync)

    def _begin(self, descriptor: int, work: Callable[[int], None]) -> None:
        if len(self._waiting) >= _MOST_WAITING:
            self._waiting.popleft().result()
        self._waiting.append(self._pool.submit(_with_own, os.dup(descriptor), work))

    def wait(self) -> None:
        """Wait until all files are on the disk.

        Raises:
            OSError: if that failed.
        """
        while self._waiting:
            self._waiting.popleft().result()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._pool.shutdown()


def _with_own(descriptor: int, work: Callable[[int], None]) -> None:
    try:
        work(descriptor)
    finally:
        os.close(descriptor)


def _sync_until(done: threading.Event, descriptor: int) -> None:
    while not done.wait(_PAUSE):
        os.fsync(descriptor)
