"""Work of the main process that may fail: the others hear of it, or they would wait for ever."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from prunetool.errors import OutputError, PrunetoolError

_FIRST_WORD = 1.0  # seconds


def in_main_process(trainer: Any, work: Callable[[], object]) -> None:
    """Do ``work`` in the main process; to be called by all of them.

    Raises:
        PrunetoolError: in every process, if ``work`` raised one.
    """
    error: PrunetoolError | None = None
    if trainer.is_global_zero:
        try:
            work()
        except PrunetoolError as raised:
            error = raised
    agree(trainer, error)


def agree(trainer: Any, error: PrunetoolError | None) -> None:
    """Raise the error of the main process everywhere; nothing happens if it has none."""
    line = None if error is None else str(error)
    if trainer.world_size > 1:
        line = trainer.strategy.broadcast(line)
    if error is not None:
        raise error
    if line is not None:
        time.sleep(_FIRST_WORD)  # it is the main process's to say
        raise OutputError(line)
