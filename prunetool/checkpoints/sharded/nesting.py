"""Nested dicts and lists from the paths of what is in them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any


def nest(items: Iterable[tuple[Sequence[str | int], Any]]) -> Any:
    """Build the dicts and lists that ``items`` were taken from: each with its path of keys.

    A level whose keys are 0, 1, 2 ... is a list, any other a dict. The lists are built last, so
    that no path can ask for one of a thousand million.

    Raises:
        ValueError: if a path leads through a value, or a list has gaps.
    """
    root = _Level()
    for path, value in items:
        level = root
        for key in path[:-1]:
            level = level.setdefault(key, _Level())
            if not isinstance(level, _Level):
                raise ValueError(f"{path}: leads through a value")
        if path[-1] in level:
            raise ValueError(f"{path}: is there twice")
        level[path[-1]] = value
    return _finished(root)


class _Level(dict[str | int, Any]):
    """A dict or list that is being built; its own class, since values may be dicts."""


def _finished(value: Any) -> Any:
    if not isinstance(value, _Level):
        return value
    children = {key: _finished(child) for key, child in value.items()}
    if not any(isinstance(key, int) for key in children):
        return children
    if set(children) != set(range(len(children))):
        raise ValueError(f"a list with the indexes {list(children)[:9]}")
    return [children[index] for index in range(len(children))]
