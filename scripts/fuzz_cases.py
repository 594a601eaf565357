"""One case: a copy of a checkpoint of the corpus, damaged somewhere."""

from __future__ import annotations

import random
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from fuzz_bytes import BYTES, Change
from fuzz_formats import FORMATS


@dataclass(frozen=True)
class Case:
    """What is tried.

    Attributes:
        number: of the case, from 0.
        name: of the checkpoint in the corpus.
        container: what kind it is.
        mutation: how it was damaged.
        path: where the damaged copy is.
    """

    number: int
    name: str
    container: str
    mutation: str
    path: Path


def make_case(number: int, seed: int, corpus: Mapping[str, Path], folder: Path) -> Case:
    """Make it in ``folder``; the same number and seed give the same case."""
    dice = random.Random(f"{seed} {number}")
    # By maker first: most of the corpus is Lightning's, with one hyper-parameter or another.
    makers = sorted({name.partition("-")[0] for name in corpus})
    maker = dice.choice(makers)
    name = dice.choice([name for name in corpus if name.partition("-")[0] == maker])
    source = corpus[name]
    path = folder / source.name
    other = _bytes_of_one(dice.choice(list(corpus.values())), dice)
    if source.is_dir():
        shutil.copytree(source, path)
        mutation = _damage_folder(path, other, dice)
        return Case(number, name, "folder", mutation, path)
    data = source.read_bytes()
    container = _container(data)
    mutation, changed = _damage(data, other, container, dice)
    path.write_bytes(changed)
    return Case(number, name, container, mutation, path)


def _container(data: bytes) -> str:
    if data.startswith(b"PK"):
        return "zip"
    if data.startswith(b"\x80"):
        return "pickle"
    return "safetensors" if data[8:9] == b"{" else "JSON" if data[:1] == b"{" else "other"


_FITTING = {
    "zip": "records of an archive",
    "pickle": "pickle",
    "safetensors": "header of safetensors",
    "JSON": "JSON",
}


def _damage(data: bytes, other: bytes, container: str, dice: random.Random) -> tuple[str, bytes]:
    """Half of the damage knows the format."""
    choices: Mapping[str, Change] = BYTES
    name = dice.choice(list(BYTES))
    if container in _FITTING and dice.random() < 0.5:
        choices, name = FORMATS, _FITTING[container]
    return name, choices[name](data, other, dice) if data else b""


def _damage_folder(path: Path, other: bytes, dice: random.Random) -> str:
    files = sorted(it for it in path.rglob("*") if it.is_file())
    file, second = dice.choice(files), dice.choice(files)
    match dice.randrange(10):
        case 0:
            file.unlink()
            return "missing file"
        case 1:
            file.rename(file.with_name(f"{dice.choice(('x', '.', '0'))}{file.name}"))
            return "renamed file"
        case 2:
            shutil.copy(file, file.with_name(f"copy-{second.name}"))
            return "copied file"
        case 3:
            mine, theirs = file.read_bytes(), second.read_bytes()
            file.write_bytes(theirs)
            second.write_bytes(mine)
            return "swapped files"
        case 4:
            file.unlink()
            file.mkdir()
            return "folder for a file"
        case _:
            data = file.read_bytes()
            mutation, changed = _damage(data, other, _container(data), dice)
            file.write_bytes(changed)
            return mutation


def _bytes_of_one(path: Path, dice: random.Random) -> bytes:
    files: Sequence[Path] = [path]
    if path.is_dir():
        files = sorted(it for it in path.rglob("*") if it.is_file())
    return dice.choice(files).read_bytes()
