"""The checkpoints of a run as files, or folders of shards: saved whole or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from torch.distributed.checkpoint.api import CheckpointException

from prunetool.checkpoints.folders import link_tree, remove, replace_folder
from prunetool.checkpoints.writing import beside_of, move_into_place
from prunetool.training.processes.together import agree, in_main_process
from prunetool.training.recording.checkpoint_io import write_checkpoint
from prunetool.training.recording.disk import on_disk, refusal


def writes_one_file(strategy: Any) -> bool:
    """Whether a strategy hands whole checkpoints to its ``CheckpointIO``.

    Those that save sharded ones do all of it themselves.
    """
    owner = next(cls for cls in type(strategy).__mro__ if "save_checkpoint" in vars(cls))
    return owner.__name__ == "Strategy"


def save(trainer: Any, path: Path) -> None:
    """Save a checkpoint at ``path`` in one go; to be called by all processes.

    Raises:
        OutputError: in all of them, if the file system refuses; what was there is as before.
    """
    if writes_one_file(trainer.strategy):
        _save_file(trainer, path)
    else:
        _save_folder(trainer, path)


def keep_as(source: Path, target: Path) -> None:
    """Keep a checkpoint under another name too.

    Second names of its files are enough: the source is only ever replaced, never changed.

    Raises:
        OutputError: if the file system refuses.
    """
    on_disk(target, lambda: _link(source, target))


class _Writer:
    """Takes the place of the strategy's ``CheckpointIO``, which may be the user's own or slow.

    It raises nothing: the other processes wait for the main one until the checkpoint is saved.
    """

    def __init__(self) -> None:
        self.failure: OSError | None = None

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None
    ) -> None:
        try:
            write_checkpoint(checkpoint, Path(path))
        except OSError as error:
            self.failure = error


def _save_file(trainer: Any, path: Path) -> None:
    with _writing(trainer.strategy) as writer:
        trainer.save_checkpoint(path)
    agree(trainer, refusal(path, writer.failure) if writer.failure is not None else None)


@contextmanager
def _writing(strategy: Any) -> Iterator[_Writer]:
    before, writer = strategy._checkpoint_io, _Writer()
    strategy._checkpoint_io = writer
    try:
        yield writer
    finally:
        strategy._checkpoint_io = before


def _save_folder(trainer: Any, path: Path) -> None:
    beside = beside_of(path)
    in_main_process(trainer, lambda: on_disk(path, lambda: remove(beside)))
    failure: OSError | None = None
    try:
        trainer.save_checkpoint(beside)
    except CheckpointException as error:  # in every process
        causes = [_of_the_disk(cause) for cause, _ in error.failures.values()]
        failure = next((cause for cause in causes if cause is not None), None)
        if failure is None:
            raise
    except (OSError, RuntimeError) as error:  # in the main process, of the part that it alone has
        found = error if isinstance(error, OSError) else error.__context__
        if not isinstance(found, OSError):
            raise
        failure = found
        trainer.strategy.barrier("Trainer.save_checkpoint")  # where the others are
    if failure is not None and trainer.is_global_zero:
        shutil.rmtree(beside, ignore_errors=True)
    agree(trainer, refusal(path, failure) if failure is not None else None)
    in_main_process(trainer, lambda: on_disk(path, lambda: _install(beside, path)))


def _of_the_disk(cause: BaseException) -> OSError | None:
    """Torch's writer has other words for a full disk, and to other ranks no OSError."""
    if isinstance(cause, RuntimeError) and "inline_container.cc" in str(cause):
        return OSError("the file system takes no more")
    return cause if isinstance(cause, OSError) else None


def _install(beside: Path, path: Path) -> None:
    if beside.is_dir():
        replace_folder(beside, path)
    else:
        move_into_place(beside, path)


def _link(source: Path, target: Path) -> None:
    if target.exists() and source.samefile(target):
        return  # to rename a second name of a file over another one does nothing at all
    beside = beside_of(target)
    remove(beside)
    if source.is_dir():
        link_tree(source, beside)
        replace_folder(beside, target)
        return
    try:
        os.link(source, beside)
    except OSError:  # a file system without hard links
        shutil.copyfile(source, beside)
    move_into_place(beside, target)
