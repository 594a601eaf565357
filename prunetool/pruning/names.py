"""Matching the names of tensors with globs: one rule for choosing targets and reading files."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase


def matching(glob: str, names: Iterable[str]) -> set[str]:
    """Give the names that ``glob`` matches, as :func:`fnmatch.fnmatchcase` does.

    A full name is meant as it stands: as a glob, ``blocks[0].weight`` would be ``blocks0.weight``.
    """
    known = set(names)
    return {glob} if glob in known else {name for name in known if fnmatchcase(name, glob)}
