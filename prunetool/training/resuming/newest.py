"""The newest complete checkpoint of a run folder."""

from __future__ import annotations

from typing import Any

from prunetool.checkpoints.reader import Checkpoint, open_checkpoint
from prunetool.errors import CheckpointError, OptionError
from prunetool.training.options.options import TrainOptions
from prunetool.training.recording.replacing import Replacing
from prunetool.training.recording.run_folder import RunFolder


def newest_in(folder: RunFolder) -> tuple[Checkpoint, tuple[str, ...]]:
    """Open the checkpoint to go on from: the last one, or if that is gone the newest of the others.

    Returns:
        It, and what is to be said about it.

    Raises:
        OptionError: if the run has none yet.
        CheckpointError: if none that is there can be read.
    """
    failure: CheckpointError | None = None
    if folder.last.exists():
        try:
            return open_checkpoint(folder.last), ()
        except CheckpointError as error:
            failure = error
    newest = max(_others(folder), key=lambda it: _place(it.content), default=None)
    if newest is not None:
        return newest, (f"{failure or f'{folder.last}: is missing'}; goes on from {newest.path}",)
    if failure is not None:
        raise CheckpointError(
            f"{failure}; no other checkpoint of the run is left to go on from: start it again: "
            f"{_again(folder)}"
        )
    raise _nothing_yet(folder)


def finished_epochs(content: Any) -> int:
    """Complete epochs of the training that a checkpoint is of.

    Raises:
        OptionError: if it holds no training state.
    """
    try:
        return int(content["loops"]["fit_loop"]["epoch_progress"]["current"]["processed"])
    except (KeyError, TypeError):
        raise OptionError(
            "--resume: the checkpoint holds weights only, no training state; "
            "without --resume it starts a new run"
        ) from None


def reached_limit(options: TrainOptions, epochs: int, steps: int) -> tuple[str, int, int] | None:
    """Find the limit of a training that a checkpoint has come to: its unit, the state, the limit.

    Args:
        options: of the training.
        epochs: complete ones at the checkpoint.
        steps: of the optimizer, likewise.
    """
    limits = (("epochs", epochs, options.max_epochs), ("steps", steps, options.max_steps))
    return next(((n, at, most) for n, at, most in limits if most is not None and at >= most), None)


def _others(folder: RunFolder) -> list[Checkpoint]:
    """What can be read of the checkpoints that a training can go on from."""
    last = (folder.last, folder.rewind)
    paths = [it for it in folder.files if it.suffix == ".ckpt" and it not in last]
    found = []
    for path in paths:
        try:
            found.append(open_checkpoint(path))
        except CheckpointError:
            continue
    return found


def _place(content: Any) -> tuple[int, int]:
    states = content.get("callbacks", {}).values()
    numbers = [it["round"] for it in states if isinstance(it, dict) and "round" in it]
    return max(numbers, default=1), int(content.get("global_step", 0))


def _nothing_yet(folder: RunFolder) -> OptionError:
    aside = Replacing(folder).aside
    kept = f"; the run that it was to replace is kept in {aside}" if aside.exists() else ""
    return OptionError(
        f"{folder.path}: was stopped before its first checkpoint, so there is nothing to go on "
        f"from; start it again: {_again(folder)}{kept}"
    )


def _again(folder: RunFolder) -> str:
    return f"prunetool train --config {folder.config} --output {folder.path} --force"
