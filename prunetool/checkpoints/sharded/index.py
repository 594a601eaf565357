"""What a sharded folder holds: its tensors, how they are cut, and where the pieces lie."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch

KeyPath = tuple[str | int, ...]


@dataclass(frozen=True)
class Chunk:
    """A block of a tensor: where it begins along each dimension, and how far it goes."""

    offsets: tuple[int, ...]
    sizes: tuple[int, ...]

    @property
    def elements(self) -> int:
        """How many."""
        return math.prod(self.sizes)


@dataclass(frozen=True)
class TensorEntry:
    """A tensor of the folder and how it is cut."""

    dtype: torch.dtype
    shape: torch.Size
    chunks: tuple[Chunk, ...]


@dataclass(frozen=True)
class Region:
    """Bytes of one of the folder's files: a chunk or an object, as ``torch.save`` writes it."""

    file: str
    start: int
    length: int


@dataclass(frozen=True)
class FolderIndex:
    """What a folder holds, as its ``.metadata`` says.

    Attributes:
        entries: by key: a tensor, or None for any other object.
        paths: the way of keys to each entry in the dicts and lists that were saved, in the order
            of saving; the key itself where that is not known.
        regions: where a chunk is, by key and the chunk's offsets; an object has no offsets.
    """

    entries: Mapping[str, TensorEntry | None]
    paths: Mapping[str, KeyPath]
    regions: Mapping[tuple[str, tuple[int, ...] | None], Region]
