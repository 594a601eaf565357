"""Hyper-parameters that ``torch.load(weights_only=True)`` refuses; all occur in real projects."""

from __future__ import annotations

import argparse
import collections
import dataclasses
import datetime
import enum
import functools
import math
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn


class Colour(enum.Enum):
    RED = "red"


class Level(enum.IntFlag):
    LOW = 1
    HIGH = 2


@dataclasses.dataclass
class Settings:
    rate: float
    inner: Settings | None = None
    sizes: list[int] = dataclasses.field(default_factory=list)


class Pair(NamedTuple):
    first: int
    second: str


class Node:
    """Refers to itself; equal by what it holds."""

    def __init__(self, label: str) -> None:
        self.label = label
        self.me = self

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Node) and other.label == self.label and other.me is other


class Slotted:
    __slots__ = ("value",)

    def __init__(self, value: int) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Slotted) and other.value == self.value


def double(value: float) -> float:
    return 2 * value


def _fill(module: nn.Module) -> None:
    for at, parameter in enumerate(module.parameters()):
        nn.init.constant_(parameter, at + 0.5)


def _attribute_dict() -> Any:
    from lightning.fabric.utilities.data import AttributeDict

    return AttributeDict(width=3, nested=AttributeDict(depth=2))


def _omegaconf() -> Any:
    from omegaconf import OmegaConf

    return OmegaConf.create({"width": 3, "nested": {"names": ["a", "b"]}, "again": "${width}"})


VALUES: dict[str, Callable[[], Any]] = {
    "namespace": lambda: argparse.Namespace(rate=0.1, layers=[1, 2]),
    "path": lambda: Path("data/set"),
    "pure-path": lambda: PurePosixPath("/data/set"),
    "enum": lambda: Colour.RED,
    "flag": lambda: Level.LOW | Level.HIGH,
    "numpy-scalar": lambda: np.float64(3.5),
    "numpy-integer": lambda: np.int32(7),
    "numpy-array": lambda: np.arange(6.0).reshape(2, 3),
    "numpy-dtype": lambda: np.dtype("float32"),
    "class": lambda: Settings,
    "torch-class": lambda: nn.ReLU,
    "function": lambda: double,
    "builtin": lambda: math.sqrt,
    "partial": lambda: functools.partial(double, value=3),
    "module": lambda: nn.Sequential(nn.Linear(2, 3).requires_grad_(False), nn.ReLU()).apply(_fill),
    "dataclass": lambda: Settings(0.1, Settings(0.2, sizes=[3])),
    "named-tuple": lambda: Pair(1, "b"),
    "datetime": lambda: datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.UTC),
    "timedelta": lambda: datetime.timedelta(minutes=5),
    "defaultdict": lambda: collections.defaultdict(list, {"a": [1]}),
    "deque": lambda: collections.deque([1, 2], maxlen=5),
    "attribute-dict": _attribute_dict,
    "omegaconf": _omegaconf,
    "range": lambda: range(1, 9, 2),
    "slice": lambda: slice(1, None),
    "frozenset": lambda: frozenset({1, "b"}),
    "self-reference": lambda: Node("n"),
    "slots": lambda: Slotted(4),
    "generator-state": lambda: torch.Generator().manual_seed(3).get_state(),
    "loss": lambda: nn.CrossEntropyLoss(weight=torch.tensor([1.0, 2.0])),
    "mixed": lambda: {
        "paths": [Path("a"), Path("b")],
        Colour.RED: (np.float32(1.5), range(3)),
        "nested": {"settings": Settings(0.3), "tags": {"x", "y"}, "bytes": b"\xff"},
    },
}


def equal(mine: Any, theirs: Any) -> bool:
    """Say whether two such values are the same thing; some of the classes do not."""
    if type(mine) is not type(theirs):
        return False
    match mine:
        case torch.Tensor() | np.ndarray():
            return bool((mine == theirs).all()) and mine.dtype == theirs.dtype
        case nn.Module():
            states = mine.state_dict(), theirs.state_dict()
            return repr(mine) == repr(theirs) and equal(*map(dict, states))
        case functools.partial():
            parts = [(it.func, it.args, it.keywords) for it in (mine, theirs)]
            return parts[0] == parts[1]
        case dict():
            return list(mine) == list(theirs) and all(equal(mine[it], theirs[it]) for it in mine)
        case _:
            return bool(mine == theirs)
