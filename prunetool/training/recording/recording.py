"""What a fit is recorded with: everything that `RunCheckpoint` is told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from prunetool.training.processes.interrupts import StopRequest
from prunetool.training.recording.epoch_record import Listener
from prunetool.training.recording.monitor import BestSoFar
from prunetool.training.recording.run_folder import RunFolder
from prunetool.training.resuming.entering import Entry
from prunetool.training.resuming.rewind_point import RewindPoint
from prunetool.training.resuming.standing import Standing
from prunetool.training.round_book import RoundBook


@dataclass
class Recording:
    """What a fit is recorded with.

    Attributes:
        folder: where the checkpoints go.
        pruning: the ModelPruning callback.
        model: ``{"target", "args"}`` to record in each checkpoint.
        book: the rounds so far; of one round where there are none.
        entry: how this fit begins.
        rewind_point: saves ``rewind.ckpt`` in this fit; or None.
        best: decides on ``best.ckpt``; None without a monitored metric.
        listeners: called with each finished epoch, in the main process.
        again: called with the epoch that a resumed fit goes on after: the process that finished it
            may have been killed before the listeners heard of it.
        stop: what signals ask for.
        standing: told where the last checkpoint stands.
        note: says one line to the user.
        check: called when training starts: refuses what only a built trainer shows.
        begin: called after it in the main process: all that can be wrong with the setup is known.
        settle: called in the main process when the run has proved itself: an epoch is complete,
            and the monitored metric is logged.
    """

    folder: RunFolder
    pruning: Any
    model: dict[str, Any]
    book: RoundBook
    entry: Entry
    rewind_point: RewindPoint | None = None
    best: BestSoFar | None = None
    listeners: Sequence[Listener] = ()
    again: Listener = field(default=lambda record: None)
    stop: StopRequest = field(default_factory=StopRequest)
    standing: Standing = field(default_factory=Standing)
    note: Callable[[str], None] = field(default=lambda line: None)
    check: Callable[[Any], None] = field(default=lambda trainer: None)
    begin: Callable[[], None] = field(default=lambda: None)
    settle: Callable[[], None] = field(default=lambda: None)
