"""Choosing tensors by name."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain

from prunetool.errors import OptionError
from prunetool.pruning.names import matching
from prunetool.suggest import did_you_mean


def choose(
    names: Iterable[str], *, include: Sequence[str] = (), exclude: Sequence[str] = ()
) -> list[str]:
    """Keep the names that a glob of ``include`` matches, or all without one, and no ``exclude``.

    Raises:
        OptionError: if a glob matches nothing, or nothing is left.
    """
    names = list(names)
    included = [require_match(glob, names, option="--include") for glob in include]
    excluded = [require_match(glob, names, option="--exclude") for glob in exclude]
    wanted = set(chain.from_iterable(included)) if include else set(names)
    wanted -= set(chain.from_iterable(excluded))
    chosen = [name for name in names if name in wanted]
    if not chosen:
        raise OptionError(f"--exclude {' '.join(exclude)}: leaves no tensor; exclude fewer")
    return chosen


def require_match(glob: str, names: Sequence[str], *, option: str) -> list[str]:
    """Return the names that ``glob`` matches.

    Raises:
        OptionError: if there are none; it names the closest.
    """
    found = matching(glob, names)
    if not found:
        hint = did_you_mean(glob, names) or f"; the first of {len(names)} is '{names[0]}'"
        raise OptionError(f"{option} {glob}: matches no tensor{hint}")
    return [name for name in names if name in found]
