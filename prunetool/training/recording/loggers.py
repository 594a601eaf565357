"""``--logger``: Lightning's own loggers, in the run folder, and going on there when a run does."""

from __future__ import annotations

import csv
import io
import os
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from prunetool.checkpoints.reader import open_checkpoint
from prunetool.errors import OptionError
from prunetool.training.building.trees import Tree
from prunetool.training.processes.ranks import is_main
from prunetool.training.recording.disk import on_disk
from prunetool.training.recording.run_folder import KEPT_LOG, RunFolder


def require_logger(name: str) -> None:
    """Refuse a logger whose package is missing, before any work.

    Raises:
        OptionError: saying how to install it.
    """
    if name == "tensorboard" and not any(map(find_spec, ("tensorboard", "tensorboardX"))):
        raise OptionError(
            "--logger tensorboard: needs the package tensorboard: "
            "pip install 'prunetool[tensorboard]'"
        )


def logger_for(
    tree: Tree, name: str, folder: RunFolder, *, round_: int | None, resumed: Path | None
) -> Any:
    """Build what the Trainer takes as its logger.

    Args:
        tree: the model's Lightning.
        name: ``"csv"``, ``"tensorboard"`` or ``"none"``.
        folder: of the run.
        round_: the training, which has a folder of its own; None in a run of one.
        resumed: the checkpoint of this very training that it goes on from. What was logged after
            it is dropped: it is trained, and logged, again.

    Raises:
        OutputError: if an earlier log cannot be read or written.
    """
    version = "" if round_ is None else f"round-{round_}"
    place = {"save_dir": str(folder.path), "name": folder.logs.name, "version": version}
    steps = None if resumed is None else _steps_in(resumed)
    match name:
        case "none":
            return False
        case "csv":
            logger = tree.load("loggers").CSVLogger(**place)
            if steps is not None and is_main():
                log = folder.logs / version / "metrics.csv"
                on_disk(log, lambda: _go_on(logger, log, steps))
            return logger
        case "tensorboard":
            # TensorBoard passes over what earlier files hold from this step on.
            more = {} if steps is None else {"purge_step": steps}
            return tree.load("loggers").TensorBoardLogger(**place, default_hp_metric=False, **more)
    raise AssertionError(f"no such logger: {name}")


def _steps_in(checkpoint: Path) -> int:
    """Find the step that Lightning logs at next."""
    loops = open_checkpoint(checkpoint).content["loops"]["fit_loop"]
    return int(loops["epoch_loop.state_dict"]["_batches_that_stepped"])


def _go_on(logger: Any, log: Path, steps: int) -> None:
    """Let a CSVLogger, which deletes what it finds, begin with the rows before ``steps``.

    The old file stands aside until they are written again, also for whoever comes after a kill.
    """
    aside = log.with_name(KEPT_LOG)
    if log.exists() and not aside.exists():
        os.rename(log, aside)
    if not aside.exists():
        return
    logger.experiment  # noqa: B018  # made where it is first asked for
    for row in _rows(aside.read_text(encoding="utf-8")):
        step = int(row.pop("step"))
        if step < steps:
            logger.log_metrics({name: _number(cell) for name, cell in row.items()}, step=step)
    logger.save()
    aside.unlink()


def _rows(text: str) -> list[dict[str, str]]:
    whole = text[: text.rfind("\n") + 1]  # a kill may have cut the last line
    rows = csv.DictReader(io.StringIO(whole, newline=""))
    return [{name: cell for name, cell in row.items() if cell} for row in rows]


def _number(cell: str) -> int | float | str:
    for kind in (int, float):
        try:
            return kind(cell)
        except ValueError:
            continue
    return cell
