"""``--resume``: which run goes on, from which checkpoint, with which options."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from prunetool.checkpoints.reader import open_checkpoint
from prunetool.errors import OptionError
from prunetool.training.options.config import override, read_config
from prunetool.training.options.options import TrainOptions, from_values
from prunetool.training.options.origins import flag_of, origins_of
from prunetool.training.options.round_options import rounds_of
from prunetool.training.processes.ranks import is_main
from prunetool.training.recording.checkpointing import STATE_KEY
from prunetool.training.recording.leftovers import tidy
from prunetool.training.recording.run_folder import RunFolder, run_folder_of
from prunetool.training.resuming.newest import finished_epochs, newest_in, reached_limit

# How long and where a run goes on may change; what it is may not.
_MAY_CHANGE = frozenset(
    {
        "max_epochs",
        "max_steps",
        "accelerator",
        "devices",
        "num_nodes",
        "strategy",
        "app_dir",
        "logger",
    }
)


@dataclass(frozen=True)
class Resumed:
    """A run to go on with.

    Attributes:
        folder: the run.
        checkpoint: the state to go on from.
        options: those of the run, with what the command line may change.
        round: the training that the state is of, from 1.
        finished_epochs: complete epochs of it at that state.
        lines: what is not as one might expect, in words.
    """

    folder: RunFolder
    checkpoint: Path
    options: TrainOptions
    round: int
    finished_epochs: int
    lines: tuple[str, ...] = ()


def resume(target: str, given: Mapping[str, Any]) -> Resumed:
    """Find the run that ``target`` (a run folder or a checkpoint in one) names.

    Args:
        target: as typed.
        given: the other options of the command line, by name.

    Raises:
        OptionError: if there is no run, or an option differs that must not.
        CheckpointError: if the checkpoint is missing or damaged.
    """
    path = Path(target)
    folder = _run_folder(path)
    checkpoint, lines = newest_in(folder) if path.is_dir() else (open_checkpoint(path), ())
    options, changes = _options(folder, given)
    finished = finished_epochs(checkpoint.content)
    number = _round(checkpoint.content)
    is_last = not options.in_rounds or number == rounds_of(options).count
    if is_last and folder.report.exists():  # the last thing that a run leaves
        _require_something_left(folder, options, finished, int(checkpoint.content["global_step"]))
    return Resumed(folder, checkpoint.path, options, number, finished, (*lines, *changes))


def _run_folder(path: Path) -> RunFolder:
    if path.is_dir() and is_main():
        tidy(RunFolder(path))
    begun = (path / "checkpoints").is_dir() and not (path / "config.yaml").exists()
    if begun and not any((path / "checkpoints").iterdir()):
        raise OptionError(f"{path}: was stopped before its training began; start it again")
    return run_folder_of(path)


def _options(folder: RunFolder, given: Mapping[str, Any]) -> tuple[TrainOptions, list[str]]:
    """The options to go on with, and those that changed, in words."""
    recorded = read_config(folder.config)
    before = from_values(recorded)
    try:
        after = from_values({**override(recorded, given), "target": before.target})
    except OptionError:
        # What may not change at all need not go together with the rest.
        named = before.as_config()
        typed = {key: value for key, value in given.items() if key in named}
        _refuse(folder, {k: (named[k], v) for k, v in typed.items() if str(named[k]) != str(v)})
        raise
    old, new = before.as_config(), after.as_config()
    changed = {key: (old[key], new[key]) for key in new if new[key] != old[key]}
    _refuse(folder, changed)
    words = ", ".join(f"{flag_of(key)} {now} (it was {was})" for key, (was, now) in changed.items())
    after = replace(after, origins=origins_of({str(folder.config): recorded}, given))
    return after, [f"goes on with {words}"] if words else []


def _refuse(folder: RunFolder, changed: Mapping[str, tuple[Any, Any]]) -> None:
    """Refuse to go on as another run than it was."""
    refused = {key: pair for key, pair in changed.items() if key not in _MAY_CHANGE}
    if refused:
        words = ", ".join(_change(key, was, now) for key, (was, now) in refused.items())
        raise OptionError(
            f"--resume goes on with the options in {folder.config}, which differ: {words}; "
            f"leave that out, or start a new run from the checkpoint without --resume"
        )


def _change(key: str, was: Any, now: Any) -> str:
    """Put a change into words; of ``KEY=VALUE`` options only the keys that differ."""
    if isinstance(was, dict) and isinstance(now, dict):
        keys = [it for it in {**was, **now} if was.get(it) != now.get(it)]
        was, now = ({it: side[it] for it in keys if it in side} for side in (was, now))
    return f"{flag_of(key)} {now} (it was {was})"


def _require_something_left(
    folder: RunFolder, options: TrainOptions, epochs: int, steps: int
) -> None:
    if (reached := reached_limit(options, epochs, steps)) is not None:
        name, done, limit = reached
        raise OptionError(
            f"{folder.path}: finished already, with {done} of {limit} {name}; "
            f"to train on, give a higher --max-{name}"
        )


def _round(content: Any) -> int:
    """A run of prunetool 0.1.0 was one training, and said nothing of rounds."""
    state = content.get("callbacks", {}).get(STATE_KEY, {})
    return int(state.get("round", 1))
