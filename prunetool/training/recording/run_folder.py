"""The folder of a run: where everything that a training leaves behind has its place."""

from __future__ import annotations

import contextlib
import itertools
import os
import re
from dataclasses import dataclass
from pathlib import Path

from prunetool.errors import OptionError, OutputError

RUNS = Path("runs")
# Where the rows of a CSV log stand while it is written anew.
KEPT_LOG = ".metrics.csv.old"
_LOGS = ("metrics.csv", KEPT_LOG, "hparams.yaml", "events.out.tfevents.*")
_ROUND = re.compile(r"round-\d+\.ckpt")


@dataclass
class RunFolder:
    """The layout.

    Attributes:
        path: the folder; one that another process has chosen is known once all have met
            (``sharing.py``).
    """

    path: Path

    @property
    def checkpoints(self) -> Path:
        """The folder of checkpoints."""
        return self.path / "checkpoints"

    @property
    def last(self) -> Path:
        """The state at the end of the last complete epoch."""
        return self.checkpoints / "last.ckpt"

    @property
    def best(self) -> Path:
        """The best monitored metric among the checkpoints at the target sparsity."""
        return self.checkpoints / "best.ckpt"

    @property
    def config(self) -> Path:
        """The whole run, as options."""
        return self.path / "config.yaml"

    @property
    def metrics(self) -> Path:
        """One row for each epoch."""
        return self.path / "metrics.csv"

    @property
    def report(self) -> Path:
        """The sparsity of every layer at the end."""
        return self.path / "report.json"

    @property
    def events(self) -> Path:
        """One row for each pruning."""
        return self.path / "events.csv"

    @property
    def logs(self) -> Path:
        """The folder of ``--logger``; in rounds each has a folder of its own in it."""
        return self.path / "logs"

    @property
    def rewind(self) -> Path:
        """The state that the rounds of a lottery ticket go back to."""
        return self.checkpoints / "rewind.ckpt"

    def round(self, number: int) -> Path:
        """The state at the end of a round."""
        return self.checkpoints / f"round-{number}.ckpt"

    @property
    def files(self) -> list[Path]:
        """A run's files that are there, by name: the folder may hold others."""
        known = (self.last, self.best, self.rewind, self.metrics, self.events, self.report)
        rounds = [p for p in self.checkpoints.glob("round-*.ckpt") if _ROUND.fullmatch(p.name)]
        found = (*known, self.config, *rounds, *self.log_files)
        return [file for file in found if file.exists()]

    @property
    def log_files(self) -> list[Path]:
        """What ``--logger`` has written."""
        places = (self.logs, *self.logs.glob("round-*"))
        return [file for place in places for name in _LOGS for file in place.glob(name)]


def new_run_folder(output: Path | None, *, name: str, force: bool) -> RunFolder:
    """Choose and make the folder of a new run; it is writable when this returns.

    Args:
        output: the folder asked for, or None for the next free ``runs/NAME-N``.
        name: the model's class, for NAME.
        force: a folder that is not empty may be used; what is in it stays until the new
            run has something to put in its place (``replacing.py``).

    Raises:
        OptionError: if the folder is not empty and ``force`` is off.
        OutputError: if it cannot be made or written to.
    """
    folder = RunFolder(output) if output is not None else _next_free(name)
    if _is_occupied(folder.path) and not force:
        raise OptionError(
            f"--output {folder.path}: not empty; choose another folder, add --force to replace "
            f"the run in it, or go on with it: prunetool train {folder.path} --resume"
        )
    _require_writable(folder)
    return folder


def discard_unused(folder: RunFolder) -> None:
    """Empty the folder of a run that failed before it had anything to keep.

    The folder itself may be the user's; it stays unless its name was chosen here.
    """
    unused = {folder.config, *folder.log_files}
    if any(file not in unused for file in folder.files):
        return
    with contextlib.suppress(OSError):
        for file in unused:
            file.unlink(missing_ok=True)
    chosen_here = folder.path.parent == RUNS
    logs = (*folder.logs.glob("round-*"), folder.logs)
    for empty in (folder.checkpoints, *logs, *([folder.path] if chosen_here else [])):
        with contextlib.suppress(OSError):  # something else is in it
            empty.rmdir()


def run_folder_of(target: Path) -> RunFolder:
    """Find the run that a folder, or a checkpoint within one, belongs to.

    Raises:
        OptionError: if it is neither.
    """
    candidates = [target] if target.is_dir() else [target.parent.parent, target.parent]
    for candidate in candidates:
        if (candidate / "config.yaml").is_file():
            return RunFolder(candidate)
    if not target.exists():
        raise OptionError(f"{target}: no such run folder or checkpoint to resume")
    raise OptionError(
        f"{target}: not a run folder of prunetool train, nor a checkpoint in one (no config.yaml); "
        f"without --resume a checkpoint starts a new run"
    )


def _next_free(name: str) -> RunFolder:
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "run"
    return next(
        RunFolder(path)
        for number in itertools.count(1)
        if not (path := RUNS / f"{slug}-{number}").exists()
    )


def _is_occupied(path: Path) -> bool:
    if path.exists() and not path.is_dir():
        raise OptionError(f"--output {path}: is a file; expected a folder")
    return path.is_dir() and any(not _is_left_empty(entry) for entry in path.iterdir())


def _is_left_empty(entry: Path) -> bool:
    """The folder of checkpoints of a run that was stopped before it had any."""
    return entry.name == "checkpoints" and entry.is_dir() and not any(entry.iterdir())


def _require_writable(folder: RunFolder) -> None:
    """Find out before the training, not after it."""
    probe = folder.checkpoints / ".writable"
    try:
        folder.checkpoints.mkdir(parents=True, exist_ok=True)
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        where = error.filename or os.fspath(folder.path)
        raise OutputError(
            f"--output {folder.path}: cannot be written ({where}: {error.strerror})"
        ) from error
