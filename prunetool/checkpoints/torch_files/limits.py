"""How much a file may ask of this process before it is refused.

A pickle is a program: a few bytes of it can ask for any amount of memory and time. These limits
are far above what real checkpoints need, and low enough that a forged one cannot hurt.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any

from prunetool.checkpoints.torch_files.standins import Made

PICKLE_BYTES = 2**27  # of one pickle, without the values of tensors
PICKLE_STEPS = 2_000_000  # opcodes; 60 or so describe a tensor
DEPTH = 1000  # of containers and objects in each other
# Tensors may look at the same values several times over, but not without end: bytes of all views,
# as a multiple of the bytes stored, plus what small files may have.
VIEWS_OF_A_BYTE = 16
VIEWS_OF_ANY_FILE = 2**28  # bytes
_KEY_DEPTH = 20  # of tuples in each other that are a key of a dict
_LARGEST_KEY = 2**60  # integers above can be chosen to have all the same hash


class RefusedError(pickle.UnpicklingError):
    """A file asks for more than a checkpoint needs; says what."""


class ImpossibleError(pickle.UnpicklingError):
    """A file says of a tensor what cannot be; says what."""


def check_key(key: Any, depth: int = 0) -> None:
    """Make sure that hashing ``key`` is quick and cannot overflow the stack.

    Raises:
        RefusedError: if it may not be.
    """
    if isinstance(key, tuple | frozenset):
        if depth >= _KEY_DEPTH:
            raise RefusedError(f"a key of tuples in each other, deeper than {_KEY_DEPTH}")
        for item in key:
            check_key(item, depth + 1)
    elif isinstance(key, int) and abs(key) >= _LARGEST_KEY:
        raise RefusedError("a key that is a number of more than 60 bits")


def check_nesting(content: Any) -> None:
    """Make sure that containers are not too deep in each other and none is in itself.

    An object may refer to itself: only a cycle of plain containers is refused.

    Raises:
        RefusedError: if they are.
    """
    heights: dict[int, int] = {}
    path: list[tuple[Any, Iterator[Any]]] = [(content, children(content))]
    on_path = {id(content)}
    while path:
        value, rest = path[-1]
        child = next(rest, path)
        if child is path:
            path.pop()
            on_path.discard(id(value))
            height = heights.setdefault(id(value), 1)
            if path:
                above = id(path[-1][0])
                heights[above] = max(heights.get(above, 1), height + 1)
        elif isinstance(child, Mapping | list | tuple | set | frozenset | Made):
            if id(child) in on_path:
                _check_cycle(child, [it for it, _ in path])
            elif len(path) + heights.get(id(child), 1) > DEPTH:
                raise RefusedError(f"containers in each other, deeper than {DEPTH}")
            elif id(child) in heights:
                heights[id(value)] = max(heights.get(id(value), 1), heights[id(child)] + 1)
            else:
                path.append((child, children(child)))
                on_path.add(id(child))


def _check_cycle(child: Any, path: list[Any]) -> None:
    start = next(index for index, it in enumerate(path) if it is child)
    if not any(isinstance(it, Made) for it in path[start:]):
        raise RefusedError("a container that contains itself")


def children(value: Any) -> Iterator[Any]:
    """Yield what a container or an object holds, keys included."""
    if isinstance(value, Made):
        return chain(value.parts, *(values for _, values in value.steps))
    if isinstance(value, Mapping):
        # What a state_dict says of its modules is an attribute of it.
        return chain(value.keys(), value.values(), vars(value).values() if _has_vars(value) else ())
    return iter(value) if isinstance(value, list | tuple | set | frozenset) else iter(())


def _has_vars(value: Any) -> bool:
    return hasattr(value, "__dict__")
