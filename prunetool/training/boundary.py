"""Bring a trainer that has loaded a checkpoint to where the one that saved it stood.

Lightning goes on at the beginning of an epoch by itself only for some lengths of training, and in
the middle of one with other batches than those that are left.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from prunetool.training import random_state


@dataclass(frozen=True)
class EpochRandom:
    """The random generators where an epoch's batches are drawn.

    A model that asks for ``estimated_stepping_batches`` has the iterator of the first epoch made
    before any hook of ours; in other epochs it is made after them.

    Attributes:
        states: of every process.
        iterator_made: whether making the iterator has drawn from them already.
    """

    states: list[dict[str, Any]]
    iterator_made: bool = False

    @classmethod
    def at_fit_start(cls, trainer: Any) -> EpochRandom:
        """Capture in ``on_fit_start``."""
        return cls(random_state.capture(), _iterator(trainer) is not None)

    @classmethod
    def between_epochs(cls) -> EpochRandom:
        """Capture where the next epoch's iterator is still to be made."""
        return cls(random_state.capture())

    def restore(self, trainer: Any) -> None:
        """Set the generators in ``on_fit_start``; make an iterator anew that came too early."""
        random_state.restore(self.states)
        if not self.iterator_made and _iterator(trainer) is not None:
            iter(trainer.fit_loop._data_fetcher)

    def as_plain(self) -> dict[str, Any]:
        """What a checkpoint holds."""
        return {"states": self.states, "iterator_made": self.iterator_made}


def _iterator(trainer: Any) -> Any:
    return getattr(trainer.fit_loop._data_fetcher, "iterator", None)


def begin_with_a_new_epoch(trainer: Any, logged: Mapping[str, float]) -> None:
    """Make the trainer begin an epoch, if it stands between two.

    With ``max_steps`` Lightning 2.6 takes any resumed epoch for a half-finished one, and then
    leaves out its plateau schedulers; and it steps them after the hook in which we save.

    Args:
        trainer: it has loaded a checkpoint of ours.
        logged: the metrics as of that checkpoint.
    """
    epoch_loop = trainer.fit_loop.epoch_loop
    if epoch_loop.batch_progress.current.ready > 0:
        return  # in the middle: Lightning goes on there
    trainer.fit_loop._restarting = False
    epoch_loop.restarting = False
    for config in trainer.lr_scheduler_configs:
        due = config.interval == "epoch" and trainer.current_epoch % config.frequency == 0
        if config.reduce_on_plateau and due and config.monitor in logged:
            epoch_loop.scheduler_progress.increment_ready()
            trainer.lightning_module.lr_scheduler_step(config.scheduler, logged[config.monitor])
            epoch_loop.scheduler_progress.increment_completed()


def skip_trained_batches(trainer: Any) -> None:
    """Draw the batches of a half-finished epoch that were trained on already, and drop them.

    To be called in ``on_train_start``, with the random generators as they were when the epoch's
    iterator was made: the batches that are left are then those that were left.
    """
    fit_loop = trainer.fit_loop
    for loader in fit_loop._combined_loader.flattened:
        _set_epoch(loader, trainer.current_epoch)
    fetcher = fit_loop._data_fetcher
    trained = fit_loop.epoch_loop.batch_progress.current.ready
    for _ in range(trained):
        next(fetcher)
    fetcher.fetched -= trained  # Lightning adds them itself


def _set_epoch(loader: Any, epoch: int) -> None:
    """Lightning tells the samplers the epoch only after ``on_train_start``."""
    batch_sampler = getattr(loader, "batch_sampler", None)
    for sampler in (getattr(loader, "sampler", None), getattr(batch_sampler, "sampler", None)):
        set_epoch = getattr(sampler, "set_epoch", None)
        if callable(set_epoch):
            set_epoch(epoch)
