"""Bring a trainer that has loaded a checkpoint to where the one that saved it stood.

Lightning goes on at the beginning of an epoch by itself only for some lengths of training, and in
the middle of one it repeats or leaves out what follows a batch.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import Any

from prunetool.errors import OptionError

# Lightning means a loader that begins an epoch anew; the batches that were trained on are skipped.
_SKIPPED = ".*resuming from a checkpoint that ended before the epoch ended"


def begin_with_a_new_epoch(trainer: Any, logged: Mapping[str, Any]) -> None:
    """Make the trainer begin an epoch, if it stands between two.

    With ``max_steps`` Lightning 2.6 takes any resumed epoch for a half-finished one, and then
    leaves out its plateau schedulers; and it steps them after the hook in which we save.

    Args:
        trainer: it has loaded a checkpoint of ours.
        logged: the metrics as of that checkpoint.
    """
    fit_loop, epoch_loop = trainer.fit_loop, trainer.fit_loop.epoch_loop
    if epoch_loop.batch_progress.current.ready > 0:
        return  # `max_steps` cut the epoch short: Lightning goes on with it
    fit_loop.restarting = False
    if not resumes_by_itself(trainer):
        # The epoch's iterator is then made when it begins, as it would have been.
        fit_loop._resuming_from_checkpoint = False
    for config in trainer.lr_scheduler_configs:
        due = config.interval == "epoch" and trainer.current_epoch % config.frequency == 0
        if config.reduce_on_plateau and due and config.monitor in logged:
            epoch_loop.scheduler_progress.increment_ready()
            trainer.lightning_module.lr_scheduler_step(config.scheduler, logged[config.monitor])
            epoch_loop.scheduler_progress.increment_completed()


def go_on_in_the_middle(trainer: Any) -> None:
    """Make the trainer go on with the next batch, where it stands between two of an epoch.

    Lightning takes a loop that restarts for one that has not done what follows a batch: it would
    skip or repeat a validation and leave out the plateau schedulers at the epoch's end.
    """
    warnings.filterwarnings("ignore", _SKIPPED)
    fit_loop, epoch_loop = trainer.fit_loop, trainer.fit_loop.epoch_loop
    begin: Callable[[Any], None] = epoch_loop.on_run_start

    def begin_once(fetcher: Any) -> None:
        begin(fetcher)  # the counters are those of the checkpoint by now
        fit_loop.restarting = False
        epoch_loop.on_run_start = begin

    epoch_loop.on_run_start = begin_once


def call_between_batches(trainer: Any, listener: Callable[[], None]) -> None:
    """Have ``listener`` called when a batch is done with all that follows it, validation included.

    Lightning's last hook of a batch comes before the validation and before some schedulers.
    """
    call_after(trainer.fit_loop.epoch_loop, "on_advance_end", listener)


def call_after(owner: Any, name: str, listener: Callable[[], None]) -> None:
    """Have ``listener`` called after each call of a method: where Lightning has no hook."""
    method: Callable[..., Any] = getattr(owner, name)

    def then_listen(*args: Any, **kwargs: Any) -> Any:
        result = method(*args, **kwargs)
        listener()
        return result

    setattr(owner, name, then_listen)


def is_within_an_epoch(trainer: Any) -> bool:
    """Whether more batches of the epoch follow, and none waits for its optimizer step."""
    epoch_loop = trainer.fit_loop.epoch_loop
    return not epoch_loop.done and not epoch_loop._should_accumulate()


def trained_batches(trainer: Any) -> int:
    """Batches of the epoch that are done."""
    return int(trainer.fit_loop.epoch_loop.batch_progress.current.completed)


def has_trained(trainer: Any) -> bool:
    """Whether a batch was trained on, in this fit or before a checkpoint that it goes on from."""
    return bool(trainer.fit_loop.epoch_loop.batch_progress.total.completed)


def require_a_batch(trainer: Any) -> None:
    """Complain about a training that was over before it began.

    Raises:
        OptionError: saying what to look at.
    """
    if has_trained(trainer):
        return
    if not (trainer.limit_train_batches and trainer.num_training_batches):
        raise OptionError(
            "nothing was trained: there is no batch to train on; expected at least one (drop_last "
            "leaves none of too little data, nor does limit_train_batches=0)"
        )
    raise OptionError(
        "nothing was trained: the training ended before its first batch did; train longer "
        "(--trainer max_time, or what stops it)"
    )


def resumes_by_itself(trainer: Any) -> bool:
    """Whether the training loaders save their own place, which Lightning then restores."""
    flattened = trainer.fit_loop._combined_loader.flattened
    return bool(flattened) and all(is_stateful(loader) for loader in flattened)


def is_stateful(loader: Any) -> bool:
    """Whether a loader saves its place."""
    return callable(getattr(loader, "state_dict", None)) and callable(
        getattr(loader, "load_state_dict", None)
    )
