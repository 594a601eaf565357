"""Whether a run folder can be read, and whether two of them hold the same to the bit."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from prunetool.checkpoints import reader
from prunetool.training.recording.run_folder import RunFolder

TABLES = ("metrics.csv", "events.csv", "report.json", "config.yaml", "histograms.json")


def damage_in(run: Path) -> list[str]:
    """Say which files of a run, killed or not, are not whole; leftovers are nobody's files."""
    found = []
    for file in checkpoints_of(run):
        try:
            torch.load(file, weights_only=True)
            for tensor in reader.open_checkpoint(file).tensors.values():
                tensor.read()
        except Exception as error:
            found.append(f"{file.name} cannot be read: {type(error).__name__}: {error}")
    for name in ("metrics.csv", "events.csv"):
        file = run / name
        if file.exists() and not is_whole_table(file.read_text(encoding="utf-8")):
            found.append(f"{name} is not whole")
    return found


def checkpoints_of(run: Path) -> list[Path]:
    """Give the run's checkpoints by name."""
    return sorted(file for file in RunFolder(run).files if file.suffix == ".ckpt")


def is_whole_table(text: str) -> bool:
    """Say whether every row of a CSV file has a cell for each column, and a line its end."""
    rows = list(csv.reader(text.splitlines()))
    return text.endswith("\n") and len({len(row) for row in rows}) == 1


def differences(run: Path, undisturbed: Path) -> list[str]:
    """Say where the files of a finished run differ from those of one that nothing interrupted."""
    names = {file.name for it in (run, undisturbed) for file in checkpoints_of(it)}
    found: list[str] = []
    for name in sorted(names):
        files = [RunFolder(it).checkpoints / name for it in (run, undisturbed)]
        if all(file.exists() for file in files):
            mine, theirs = (torch.load(file, weights_only=True) for file in files)
            places = list(unequal(mine, theirs))
            if places:
                found.append(f"{name}: differs at {len(places)} places, first at {places[0]}")
        else:
            found.append(f"{name}: {'is missing' if files[1].exists() else 'is one too many'}")
    for name in TABLES:
        mine, theirs = (_text(it / name, of=it) for it in (run, undisturbed))
        if mine != theirs:
            found.append(f"{name}: {'is missing' if mine is None else 'differs'}")
    return found


def unequal(mine: Any, theirs: Any, place: str = "") -> Iterator[str]:
    """Give the places at which two checkpoints hold something else."""
    if isinstance(mine, Mapping) and isinstance(theirs, Mapping):
        for key in {**mine, **theirs}:
            inside = f"{place}.{key}" if place else str(key)
            if key in mine and key in theirs:
                yield from unequal(mine[key], theirs[key], inside)
            else:
                yield f"{inside} is {'one too many' if key in mine else 'missing'}"
    elif isinstance(mine, list | tuple) and isinstance(theirs, list | tuple):
        if len(mine) != len(theirs):
            yield f"{place} has {len(mine)} items instead of {len(theirs)}"
        for index, (one, other) in enumerate(zip(mine, theirs, strict=False)):
            yield from unequal(one, other, f"{place}[{index}]")
    elif not _is_same(mine, theirs):
        yield place


def _is_same(mine: Any, theirs: Any) -> bool:
    if isinstance(mine, Tensor) and isinstance(theirs, Tensor):
        if (mine.dtype, mine.shape) != (theirs.dtype, theirs.shape):
            return False
        return torch.equal(_bytes(mine), _bytes(theirs))
    # The sign of a zero, and a NaN like another, are bits too.
    return type(mine) is type(theirs) and repr(mine) == repr(theirs)


def _bytes(tensor: Tensor) -> Tensor:
    return tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8)


def _text(file: Path, *, of: Path) -> str | None:
    """Read a text without the folder's own name, which a report holds."""
    return file.read_text(encoding="utf-8").replace(str(of), "RUN") if file.exists() else None
