"""Where a training cannot be stopped in the middle of an epoch and go on exactly."""

from __future__ import annotations

from typing import Any

from torch.utils.data import IterableDataset

from prunetool.training.recording.checkpoint_files import writes_one_file
from prunetool.training.resuming import logged
from prunetool.training.resuming.boundary import is_stateful


def why_not_exact(trainer: Any) -> str | None:
    """Say what keeps a checkpoint between two batches from being exact; None if nothing does.

    Args:
        trainer: its training loaders exist.
    """
    flattened = trainer.fit_loop._combined_loader.flattened
    reasons = {
        "several processes": trainer.world_size > 1,
        "sharded checkpoints": not writes_one_file(trainer.strategy),
        "manual optimization": not trainer.lightning_module.automatic_optimization,
        "a training_step that draws its own batches": _draws_itself(trainer),
        "weight averaging by epochs (SWA)": _averages_by_epochs(trainer),
        "loaders of which only some save their place": len(set(map(is_stateful, flattened))) > 1,
        "an iterable dataset that is read without workers": any(map(_interleaves, flattened)),
        "a metric that is reduced in its own way": not logged.is_plain(trainer),
    }
    return next((reason for reason, holds in reasons.items() if holds), None)


def _draws_itself(trainer: Any) -> bool:
    return hasattr(trainer.fit_loop._data_fetcher, "iterator_wrapper")


def _averages_by_epochs(trainer: Any) -> bool:
    return any(
        base.__name__ == "StochasticWeightAveraging"
        for callback in trainer.callbacks
        for base in type(callback).__mro__
    )


def _interleaves(loader: Any) -> bool:
    """Whether drawing a batch may draw from the generators that the training draws from.

    A dataset with an index may too, but what it gives then depends on nothing drawn before.
    """
    dataset, workers = getattr(loader, "dataset", None), getattr(loader, "num_workers", 0)
    return isinstance(dataset, IterableDataset) and not workers and not is_stateful(loader)
