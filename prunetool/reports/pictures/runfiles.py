"""The files of a run folder, by their documented names; none has to be there, or whole.

Anyone may have edited them: what is not as ``train`` writes it leaves its part of the report out,
with a sentence that says so.
"""

from __future__ import annotations

import csv
import io
import itertools
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isfinite
from pathlib import Path
from typing import Any

import yaml

from prunetool.pruning.histograms import HALF, Histogram

CONFIG = "config.yaml"
_CHECKPOINTS = "checkpoints"
_LARGEST = 32 * 2**20  # bytes
# LightningCLI writes a config.yaml too, two levels above its checkpoints.
_ONLY_OURS = ("events.csv", "histograms.json")
_OURS = re.compile(r"^(prunetool|pruning):", re.MULTILINE)
_FIRST_COLUMNS = ("round", "epoch", "step", "sparsity")


class OddFileError(ValueError):
    """A file is not what ``train`` writes; the message is a sentence without its name."""


@dataclass(frozen=True)
class Event:
    """A pruning.

    Attributes:
        number: from 1.
        epoch, step: finished epochs and steps; of its round, where there are rounds.
        at: steps of the whole run.
        planned: sparsity aimed at, in [0, 1]; None where an amount was removed.
        achieved: sparsity reached.
    """

    number: int
    epoch: int
    step: int
    at: int
    planned: float | None
    achieved: float


@dataclass(frozen=True)
class Epoch:
    """A row of ``metrics.csv``; ``at`` counts the steps of the whole run."""

    round: int
    epoch: int
    step: int
    at: int
    sparsity: float
    metrics: Mapping[str, float]


@dataclass(frozen=True)
class RunFiles:
    """What a run folder says of its run.

    Attributes:
        folder: its path.
        config: ``config.yaml`` as it is written; and ``settings``, what it says.
        events: prunings, in order.
        epochs: epochs, in order.
        metrics: names of the metrics, in the order of the columns.
        start: how the weights were spread at the start, by tensor.
        start_of_all: the same of all of them.
        missing: what is not there or odd: file name to sentence.
    """

    folder: Path
    config: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    events: tuple[Event, ...] = ()
    epochs: tuple[Epoch, ...] = ()
    metrics: tuple[str, ...] = ()
    start: Mapping[str, Histogram] = field(default_factory=dict)
    start_of_all: Histogram | None = None
    missing: Mapping[str, str] = field(default_factory=dict)

    @property
    def has_rounds(self) -> bool:
        """Whether it was trained in rounds."""
        return any(epoch.round > 1 for epoch in self.epochs)


def run_of(path: Path) -> Path | None:
    """Find the run folder that ``path`` is, or whose folder of checkpoints it lies in."""
    candidates = [path] if path.is_dir() else []
    if path.absolute().parent.name == _CHECKPOINTS:
        above = path.parent.parent if path.parent.name else Path(os.pardir)
        candidates.append(above)
    return next((it for it in candidates if _is_run(it)), None)


def read_run(folder: Path) -> RunFiles:
    """Read what there is."""
    missing: dict[str, str] = {}

    def tried(name: str, read: Any, otherwise: Any) -> Any:
        try:
            return read(_text(folder / name))
        except OddFileError as error:
            missing[name] = f"{name}: {error}"
        return otherwise

    config, settings = tried(CONFIG, _config, ("", {}))
    if config and not settings:
        missing[CONFIG] = f"{CONFIG}: is not what prunetool train writes"
    names, epochs = tried("metrics.csv", _metrics, ((), ()))
    ends = _round_ends(epochs)
    events = tried("events.csv", lambda text: _events(text, ends), ())
    of_all, start = tried("histograms.json", _histograms, (None, {}))
    return RunFiles(folder, config, settings, events, epochs, names, start, of_all, missing)


def _is_run(folder: Path) -> bool:
    try:
        if _OURS.search(_text(folder / CONFIG)):
            return True
    except OddFileError:
        pass
    return any((folder / name).is_file() for name in _ONLY_OURS)


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST + 1)
        if len(content) > _LARGEST:
            raise OddFileError("is too large for what it should be")
        return content.decode("utf-8")
    except FileNotFoundError:
        raise OddFileError("is not there") from None
    except OSError as error:
        raise OddFileError(f"cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise OddFileError("is no text in UTF-8") from None


def _config(text: str) -> tuple[str, Mapping[str, Any]]:
    try:
        settings = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError):
        settings = None
    return text, settings if isinstance(settings, dict) else {}


def _rows(text: str) -> list[dict[str, str]]:
    try:
        rows = list(csv.DictReader(io.StringIO(text, newline=""), strict=True))
    except csv.Error as error:
        raise OddFileError(f"is no CSV table: {error}") from None
    if any(None in row or None in row.values() for row in rows):
        raise OddFileError("has rows that are longer or shorter than the first")
    return rows


def _metrics(text: str) -> tuple[tuple[str, ...], tuple[Epoch, ...]]:
    rows = _rows(text)
    names = tuple(name for name in (rows[0] if rows else ()) if name not in _FIRST_COLUMNS)
    epochs: list[Epoch] = []
    before, last = 0, 0  # steps of the rounds before this one; steps so far
    for row in rows:
        step = _whole(row, "step")
        number = _whole(row, "round") if "round" in row else 1
        if epochs and number != epochs[-1].round:
            before = last
        last = before + step
        metrics = {name: _number(row, name) for name in names if row[name]}
        epochs.append(
            Epoch(number, _whole(row, "epoch"), step, last, _share(row, "sparsity"), metrics)
        )
    if any(one.at > other.at for one, other in itertools.pairwise(epochs)):
        raise OddFileError("its steps do not ascend")
    return names, tuple(epochs)


def _round_ends(epochs: tuple[Epoch, ...]) -> dict[int, int]:
    """Say at which step of the run each round ended, where there are rounds."""
    if not any(epoch.round > 1 for epoch in epochs):
        return {}
    return {epoch.round: epoch.at for epoch in epochs}


def _events(text: str, round_ends: Mapping[int, int]) -> tuple[Event, ...]:
    events = []
    for row in _rows(text):
        number, step = _whole(row, "event"), _whole(row, "step")
        planned = _share(row, "planned") if row.get("planned") else None
        events.append(
            Event(
                number,
                _whole(row, "epoch"),
                step,
                round_ends.get(number, step),  # in rounds, an event is the end of one
                planned,
                _share(row, "achieved"),
            )
        )
    if any(one.at > other.at for one, other in itertools.pairwise(events)):
        raise OddFileError("its steps do not ascend")
    return tuple(events)


def _histograms(text: str) -> tuple[Histogram | None, dict[str, Histogram]]:
    try:
        content = json.loads(text)
        tensors = {str(name): _histogram(it) for name, it in content["tensors"].items()}
        return _histogram(content["all"]), tensors
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise OddFileError("is not what prunetool train writes") from None


def _histogram(content: Mapping[str, Any]) -> Histogram:
    counts = tuple(int(it) for it in content["counts"])
    width = float(content["width"])
    histogram = Histogram(width, counts, int(content["zeros"]), int(content["outside"]))
    is_whole = len(counts) == 2 * HALF and min(*counts, histogram.zeros, histogram.outside) >= 0
    if not (is_whole and isfinite(width) and width > 0 and 2.0**histogram.reach == width * HALF):
        raise ValueError(content)
    return histogram


def _number(row: Mapping[str, str], name: str) -> float:
    try:
        return float(row[name])
    except (KeyError, ValueError):
        raise OddFileError(f"expected a number for {name}, got {row.get(name)!r}") from None


def _whole(row: Mapping[str, str], name: str) -> int:
    number = _number(row, name)
    if not isfinite(number) or number != int(number) or number < 0:
        raise OddFileError(f"expected a whole number for {name}, got {row[name]!r}")
    return int(number)


def _share(row: Mapping[str, str], name: str) -> float:
    number = _number(row, name)
    if not 0 <= number <= 1:
        raise OddFileError(f"expected a share in [0, 1] for {name}, got {row[name]!r}")
    return number
