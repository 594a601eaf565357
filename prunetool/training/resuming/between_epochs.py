"""Lightning's loop counters as they are between two epochs.

A checkpoint that is saved at the end of an epoch has counters that say "in the last hook of the
epoch". With ``max_steps`` Lightning 2.6 then repeats that hook on resuming, which would prune and
record the epoch twice, and with ``max_epochs`` beside it stops an epoch early.
"""

from __future__ import annotations

import copy
from typing import Any

_OPTIMIZERS = "epoch_loop.automatic_optimization.optim_progress"


def between_epochs(fit_loop: dict[str, Any]) -> dict[str, Any]:
    """Return the counters of a finished epoch as those of one about to begin.

    Args:
        fit_loop: ``checkpoint["loops"]["fit_loop"]`` as saved in ``on_train_epoch_end``; it is
            not changed. An epoch that was cut short (by ``max_steps``) is returned as it is.
    """
    if not fit_loop["epoch_loop.batch_progress"]["is_last_batch"]:
        return fit_loop
    state = copy.deepcopy(fit_loop)
    for counts in state["epoch_progress"].values():
        counts["completed"] = counts["processed"]
    _start_anew(state["epoch_loop.batch_progress"])
    _start_anew(state["epoch_loop.scheduler_progress"])
    _start_anew(state[_OPTIMIZERS]["optimizer"]["step"])
    _start_anew(state[_OPTIMIZERS]["optimizer"]["zero_grad"])
    validation = state["epoch_loop.val_loop.batch_progress"]
    _start_anew(validation)
    _set_zero(validation["total"])
    return state


def _start_anew(progress: dict[str, Any]) -> None:
    _set_zero(progress["current"])
    if "is_last_batch" in progress:
        progress["is_last_batch"] = False


def _set_zero(counts: dict[str, int]) -> None:
    counts.update(dict.fromkeys(counts, 0))
