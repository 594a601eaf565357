"""The random generators as they were where an epoch's batches began to be drawn.

Lightning calls no hook there, so the loops are listened to: the iterator of a fit's first epoch is
made long before training starts, and those of the others when their epoch has begun.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from prunetool.training.resuming import loaders, random_state


class EpochStart:
    """Follows a trainer to the beginning of each epoch.

    Args:
        trainer: of a fit whose loaders are not made yet.
    """

    def __init__(self, trainer: Any) -> None:
        self._trainer = trainer
        self._iterator: dict[str, Any] = {}
        self._first_batch: dict[str, Any] | None = None
        self._resumed = False
        self._listen()

    @property
    def state(self) -> dict[str, Any]:
        """What :func:`draw_again` needs, in a form that a checkpoint can hold."""
        return {"iterator": self._iterator, "first_batch": self._first_batch}

    def resume(self, state: Mapping[str, Any]) -> None:
        """Take over the beginning of the half-finished epoch that the fit goes on with."""
        self._iterator, self._first_batch = dict(state["iterator"]), state["first_batch"]
        self._resumed = self._first_batch is not None  # none, if no batch was drawn yet

    def _listen(self) -> None:
        # A strategy sees every loader right before its iterator is made; nothing else does.
        strategy, epoch_loop = self._trainer.strategy, self._trainer.fit_loop.epoch_loop
        strategy.process_dataloader = self._seeing(strategy.process_dataloader)
        epoch_loop.on_run_start = self._around(epoch_loop.on_run_start)

    def _seeing(self, process: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def seeing(loader: Any) -> Any:
            if self._trainer.training:
                seen = self._iterator.get("generators", [])
                own = _state_of([loader])
                self._iterator = {**own, "generators": [*seen, *own["generators"]]}
            return process(loader)

        return seeing

    def _around(self, on_run_start: Callable[[Any], None]) -> Callable[[Any], None]:
        def around(fetcher: Any) -> None:
            if _makes_an_iterator(self._trainer):
                self._iterator = _state_of(self._trainer.fit_loop._combined_loader.flattened)
                self._resumed = False
            on_run_start(fetcher)
            if not self._resumed:
                self._first_batch = _state_of(self._trainer.fit_loop._combined_loader.flattened)
            self._resumed = False

        return around


def draw_again(trainer: Any, state: Mapping[str, Any], trained: int) -> None:
    """Make an epoch's iterator anew, as it was, and drop the batches that were trained on.

    To be called in ``on_train_start``; the generators are then somewhere else.

    Args:
        trainer: its training loaders exist.
        state: of the epoch.
        trained: batches to drop.
    """
    fit_loop = trainer.fit_loop
    flattened = fit_loop._combined_loader.flattened
    for loader in flattened:
        _set_epoch(loader, trainer.current_epoch)
    _restore(flattened, state["iterator"])
    fetcher = fit_loop._data_fetcher
    iter(fetcher)
    if state["first_batch"] is not None:
        _restore(flattened, state["first_batch"])
    for _ in range(trained):
        next(fetcher)
    fetcher.fetched -= trained  # Lightning adds them itself


def _state_of(flattened: list[Any]) -> dict[str, Any]:
    generators = [[one.get_state() for one in it] for it in loaders.generators_of(flattened)]
    return {"random": random_state.capture(), "generators": generators}


def _restore(flattened: list[Any], state: Mapping[str, Any]) -> None:
    random_state.restore(state["random"])
    loaders.set_generators(flattened, state["generators"])


def _makes_an_iterator(trainer: Any) -> bool:
    """Whether the epoch that begins is one that Lightning makes an iterator for."""
    fit_loop = trainer.fit_loop
    resuming = fit_loop.epoch_loop.restarting or getattr(fit_loop, "is_resuming", False)
    return trainer.current_epoch > 0 and not resuming


def _set_epoch(loader: Any, epoch: int) -> None:
    """Lightning tells the samplers the epoch only after ``on_train_start``."""
    batch_sampler = getattr(loader, "batch_sampler", None)
    for sampler in (getattr(loader, "sampler", None), getattr(batch_sampler, "sampler", None)):
        set_epoch = getattr(sampler, "set_epoch", None)
        if callable(set_epoch):
            set_epoch(epoch)
