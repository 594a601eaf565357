"""What a fit is recorded with: everything that `RunCheckpoint` is told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from prunetool.training.entering import Entry
from prunetool.training.epoch_record import Listener
from prunetool.training.monitor import BestSoFar
from prunetool.training.rewind_point import RewindPoint
from prunetool.training.round_book import RoundBook
from prunetool.training.run_folder import RunFolder


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
    check: Callable[[Any], None] = field(default=lambda trainer: None)
    begin: Callable[[], None] = field(default=lambda: None)
    settle: Callable[[], None] = field(default=lambda: None)
