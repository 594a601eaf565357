"""Making sure that a file holds what was to be written: every tensor, bit for bit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import zip_longest
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from prunetool.checkpoints.lazy import MemoryTensor
from prunetool.checkpoints.standins import Made
from prunetool.errors import OutputError


def require_same_tensors(expected: Any, found: Any, path: Path) -> None:
    """Compare all tensors in two trees of containers, in order.

    Raises:
        OutputError: naming the first tensor that differs.
    """
    for want, got in zip_longest(tensors_within(expected), tensors_within(found)):
        if want is None or got is None or want[0] != got[0] or not same_bits(want[1], got[1]):
            name = (want or got)[0]
            raise OutputError(
                f"{path}: {name} does not read back as it was written; "
                "check the disk, and write to another folder with -o"
            )


def tensors_within(tree: Any) -> Iterator[tuple[str, Tensor]]:
    """Yield each tensor in nested containers with its place, in the order of the containers.

    Iterative, and every container once: what a file holds may be deep, or contain itself.
    """
    pending: list[tuple[str, Any]] = [("", tree)]
    seen: set[int] = set()
    while pending:
        place, value = pending.pop()
        if isinstance(value, Tensor):
            yield place, value
        elif isinstance(value, Mapping | list | tuple | Made) and id(value) not in seen:
            seen.add(id(value))
            pending.extend(reversed(_children(place, value)))


def same_bits(one: Tensor, other: Tensor) -> bool:
    """Compare dtype, shape and every bit: NaN equals itself, and 0.0 differs from -0.0."""
    if one.dtype != other.dtype or one.shape != other.shape:
        return False
    return torch.equal(_bits(one), _bits(other))


def _bits(tensor: Tensor) -> Tensor:
    return MemoryTensor(tensor).read().reshape(-1).view(torch.uint8)


def _children(place: str, value: Any) -> list[tuple[str, Any]]:
    if isinstance(value, Made):
        items: Any = enumerate([*value.parts, *(values for _, values in value.steps)])
    else:
        items = value.items() if isinstance(value, Mapping) else enumerate(value)
    return [(f"{place}.{key}" if place else str(key), child) for key, child in items]
