"""A moment of a training: what Lightning does not save of it, and the way back to it.

A checkpoint of ours holds one as ``checkpoint["prunetool"]["moment"]``: tensors and plain values::

    {"trained": batches of the unfinished epoch; None between two epochs,
     "processes": [{"fit", "epoch", "now", "loaders"}, ...]     random generators, one a process,
     "accumulate": batches a step, "logged": ..., "fresh": ...}

In a checkpoint that was saved at any other time, by a callback of the user's, it is
``{"processes"}`` alone: Lightning then goes on as it does.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from prunetool.training.recording.metrics import FreshMetrics
from prunetool.training.resuming import loaders, logged, random_state
from prunetool.training.resuming.boundary import (
    begin_with_a_new_epoch,
    call_after,
    go_on_in_the_middle,
    resumes_by_itself,
)
from prunetool.training.resuming.epoch_start import EpochStart, draw_again

KEY = "moment"


def moment_in(checkpoint: Mapping[str, Any]) -> dict[str, Any] | None:
    """Find the moment in a checkpoint; None if another program wrote it."""
    moment: dict[str, Any] | None = checkpoint.get("prunetool", {}).get(KEY)
    return moment or _of_0_1_0(checkpoint)


def _of_0_1_0(checkpoint: Mapping[str, Any]) -> dict[str, Any] | None:
    """Read what prunetool 0.1.0 kept, between two epochs always."""
    state = checkpoint.get("callbacks", {}).get("PrunetoolRun", {})
    if "random" not in state:
        return None
    processes = [{"fit": None, "epoch": None, "now": it, "loaders": {}} for it in state["random"]]
    return {"trained": None, "processes": processes, "logged": {}, "fresh": None}


class Moments:
    """Captures moments of one fit, and brings the trainer back to one.

    Args:
        trainer: of a fit whose loaders are not made yet.
        fresh: which metrics are fresh in the epoch.
    """

    def __init__(self, trainer: Any, fresh: FreshMetrics) -> None:
        self._trainer = trainer
        self._fresh = fresh
        self._epoch = EpochStart(trainer)
        self._fit: dict[str, Any] | None = None

    def fit_starts(self, moment: Mapping[str, Any] | None) -> None:
        """Begin as the fit did that ``moment`` is of; loaders are made in between."""
        own = random_state.of_this_process(moment["processes"]) if moment is not None else None
        if own is not None and own["fit"] is not None:
            random_state.restore(own["fit"])
        self._fit = random_state.capture()

    def within_an_epoch(self, trained: int) -> dict[str, Any]:
        """Capture the state after ``trained`` batches of an epoch; to be called by all processes.

        With none, the iterator of the first epoch is made and its hooks have not run.
        """
        return self._capture(trained, epoch=self._epoch.state, over=False)

    def between_epochs(self) -> dict[str, Any]:
        """Capture the state at the end of an epoch; to be called by all processes."""
        return self._capture(None, epoch=None, over=True)

    def go_on(self, moment: Mapping[str, Any]) -> None:
        """Stand where ``moment`` was, in ``on_train_start``, all else being loaded."""
        if "trained" in moment:
            self._take_up(moment)
        own = random_state.of_this_process(moment["processes"])
        if own is None:
            return
        if moment.get("trained") == 0:
            self._draw_on(own, 0)
        else:  # the moment came after every hook that is called at the start of training
            strategy = self._trainer.strategy
            call_after(
                strategy, "on_train_start", lambda: self._draw_on(own, moment.get("trained"))
            )

    def _draw_on(self, own: Mapping[str, Any], trained: int | None) -> None:
        if own["epoch"] is not None and not resumes_by_itself(self._trainer):
            draw_again(self._trainer, own["epoch"], trained or 0)
            self._epoch.resume(own["epoch"])
        loaders.restore(self._trainer, own["loaders"])
        random_state.restore(own["now"])

    def stand_there(self, moment: Mapping[str, Any] | None) -> None:
        """Set the generators to ``moment``, and step what follows it, after a fit of no batch."""
        if moment is None or "trained" not in moment:
            return
        begin_with_a_new_epoch(self._trainer, moment["logged"].get("callback", {}))
        own = random_state.of_this_process(moment["processes"])
        if own is not None:
            random_state.restore(own["now"])

    def elsewhere(self) -> dict[str, Any]:
        """Capture what helps a checkpoint of the user's; to be called by all processes."""
        return {"processes": random_state.of_every_process(self._random(None))}

    def _take_up(self, moment: Mapping[str, Any]) -> None:
        trainer, values = self._trainer, moment["logged"]
        if values:
            logged.restore(trainer, values)
        if moment["trained"]:
            self._fresh.load_state_dict(moment["fresh"], trainer)
            trainer.accumulate_grad_batches = moment["accumulate"]
            go_on_in_the_middle(trainer)
        else:
            begin_with_a_new_epoch(trainer, values.get("callback", {}))

    def _capture(
        self, trained: int | None, *, epoch: dict[str, Any] | None, over: bool
    ) -> dict[str, Any]:
        trainer = self._trainer
        return {
            "trained": trained,
            "processes": random_state.of_every_process(self._random(epoch)),
            "accumulate": trainer.accumulate_grad_batches,
            "logged": logged.capture(trainer, epoch_is_over=over),
            "fresh": self._fresh.state_dict(trainer),
        }

    def _random(self, epoch: dict[str, Any] | None) -> dict[str, Any]:
        return {
            "fit": self._fit,
            "epoch": epoch,
            "now": random_state.capture(),
            "loaders": loaders.capture(self._trainer),
        }
