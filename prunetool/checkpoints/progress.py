"""How far long work has come, told to whoever wants to know."""

from __future__ import annotations

from collections.abc import Callable

Advance = Callable[[int], object]  # called with the bytes that were gone through since last time


def unseen(count: int) -> None:
    """Tell nobody."""
