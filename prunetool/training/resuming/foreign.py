"""``--resume`` with a checkpoint that is in no run folder: a new run goes on with its state.

What a file of Lightning's own holds beside the weights (optimizers, schedulers, counters) Lightning
itself restores; the options come from the command line.
"""

from __future__ import annotations

from pathlib import Path

from torch.serialization import get_unsafe_globals_in_checkpoint

from prunetool.checkpoints.reader import open_checkpoint
from prunetool.errors import CheckpointError, OptionError
from prunetool.training.options.options import TrainOptions
from prunetool.training.resuming.newest import finished_epochs, reached_limit


def is_in_no_run(target: Path) -> bool:
    """Whether ``target`` is a file without a run around it."""
    around = (target.parent.parent, target.parent)
    return target.is_file() and not any((it / "config.yaml").is_file() for it in around)


def state_in(target: Path, options: TrainOptions, *, given: str = "--resume") -> Path:
    """Make sure that a new run can go on with the state in a checkpoint.

    Args:
        target: the checkpoint.
        options: of the new run.
        given: where it was named, for messages.

    Returns:
        The checkpoint.

    Raises:
        CheckpointError: if it cannot be read, or Lightning would refuse to load it.
        OptionError: if it holds weights only, or the options leave nothing to train.
    """
    content = open_checkpoint(target).content
    epochs, steps = finished_epochs(content), int(content.get("global_step", 0))
    if "optimizer_states" not in content:
        raise OptionError(
            f"{given} {target}: holds no state of the optimizer; without --resume its weights "
            f"start a new run"
        )
    if options.in_rounds:
        raise OptionError(
            f"{given} {target}: every round of a --lottery-ticket is a training of its own; "
            f"without --resume the weights start the first"
        )
    _require_plain(target)
    if (reached := reached_limit(options, epochs, steps)) is not None:
        name, done, _ = reached
        raise OptionError(
            f"{given} {target}: is of {done} {name} already; they count, so give a higher "
            f"--max-{name} than {done}"
        )
    return target


def _require_plain(target: Path) -> None:
    classes = sorted(set(get_unsafe_globals_in_checkpoint(target)))
    if classes:
        shown = ", ".join(classes[:3]) + (", ..." if len(classes) > 3 else "")
        raise CheckpointError(
            f"{target}: holds objects ({shown}) that loading would have to run code for; without "
            f"--resume its weights start a new run"
        )
