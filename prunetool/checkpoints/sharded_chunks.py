"""Putting a tensor together from its chunks, once they are known to fit: no gap, no overlap."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import islice

import torch
from torch import Tensor

from prunetool.checkpoints.lazy import LazyTensor
from prunetool.checkpoints.sharded_index import Chunk, TensorEntry
from prunetool.errors import CheckpointError


def check_chunks(key: str, entry: TensorEntry) -> None:
    """Make sure that the chunks are the whole tensor and each element is in one of them.

    Raises:
        CheckpointError: saying what is wrong.
    """
    for chunk in entry.chunks:
        if not _is_inside(chunk, entry.shape):
            raise CheckpointError(
                f"{key}: expected chunks inside the shape {list(entry.shape)}, found one at "
                f"{list(chunk.offsets)} of {list(chunk.sizes)}; the folder is inconsistent"
            )
    chunks = [chunk for chunk in entry.chunks if chunk.elements]
    clash = _overlap(chunks)
    if clash is not None:
        raise CheckpointError(
            f"{key}: two chunks overlap, at {list(clash[0].offsets)} and {list(clash[1].offsets)}; "
            "the folder is inconsistent"
        )
    found = sum(chunk.elements for chunk in chunks)
    if found != entry.shape.numel():
        raise CheckpointError(
            f"{key}: expected {entry.shape.numel()} elements in its chunks, found {found}; "
            "the folder is incomplete: copy it again, with the files of all ranks"
        )


def assemble(entry: TensorEntry, read: Callable[[Chunk], Tensor]) -> Tensor:
    """Read all chunks into one new tensor; at most one chunk is in memory beside it.

    Args:
        read: returns the values of one chunk, of the chunk's shape and the entry's dtype.
    """
    chunks = [chunk for chunk in entry.chunks if chunk.elements]
    if len(chunks) == 1:
        return read(chunks[0])
    whole = torch.empty(entry.shape, dtype=entry.dtype)
    for chunk in chunks:
        block = tuple(
            slice(start, start + size)
            for start, size in zip(chunk.offsets, chunk.sizes, strict=True)
        )
        whole[block] = read(chunk)
    return whole


class ChunkedTensor(LazyTensor):
    """A tensor in chunks; at most one of them is in memory, where all are cut along dimension 0.

    Args:
        read: returns the values of one chunk, of the chunk's shape and the entry's dtype.
    """

    def __init__(self, entry: TensorEntry, read: Callable[[Chunk], Tensor]) -> None:
        super().__init__(entry.shape, entry.dtype)
        self._entry = entry
        self._read = read
        self._blocks = _blocks(entry)
        self._last: tuple[int, Tensor] | None = None  # the block that was read last

    def flat(self, start: int, stop: int) -> Tensor:
        """Read a range of elements; going through them in order reads each chunk once."""
        parts = []
        for number, (first, end, _) in enumerate(self._blocks):
            if first < stop and start < end:
                values = self._block(number)
                parts.append(values[max(start - first, 0) : min(stop, end) - first])
        if stop == self.elements:
            self._last = None
        return torch.cat(parts) if parts else torch.empty(0, dtype=self.dtype)

    def _block(self, number: int) -> Tensor:
        if self._last is None or self._last[0] != number:
            self._last = None  # before the next one is in memory
            chunk = self._blocks[number][2]
            values = assemble(self._entry, self._read) if chunk is None else self._read(chunk)
            self._last = number, values.reshape(-1)
        return self._last[1]


def _blocks(entry: TensorEntry) -> list[tuple[int, int, Chunk | None]]:
    """List chunks that are ranges of elements; one block without a chunk stands for all of them."""
    chunks = sorted((it for it in entry.chunks if it.elements), key=lambda it: it.offsets)
    if not chunks:
        return []
    if any(tuple(chunk.sizes[1:]) != tuple(entry.shape[1:]) for chunk in chunks):
        return [(0, entry.shape.numel(), None)]
    row = entry.shape[1:].numel()
    starts = [chunk.offsets[0] * row if chunk.offsets else 0 for chunk in chunks]
    return [
        (start, start + chunk.elements, chunk) for start, chunk in zip(starts, chunks, strict=True)
    ]


def _is_inside(chunk: Chunk, shape: Sequence[int]) -> bool:
    return len(chunk.offsets) == len(chunk.sizes) == len(shape) and all(
        start + size <= end
        for start, size, end in zip(chunk.offsets, chunk.sizes, shape, strict=True)
    )


def _overlap(chunks: Sequence[Chunk]) -> tuple[Chunk, Chunk] | None:
    """Find two chunks with an element in common.

    Chunks are swept along the dimension that is cut most often: then few of them share a place.
    """
    if len(chunks) < 2:
        return None
    dims = len(chunks[0].sizes)
    if dims == 0:
        return chunks[0], chunks[1]
    dim = max(range(dims), key=lambda it: len({chunk.offsets[it] for chunk in chunks}))
    ordered = sorted(chunks, key=lambda chunk: chunk.offsets[dim])
    for number, chunk in enumerate(ordered):
        end = chunk.offsets[dim] + chunk.sizes[dim]
        for other in islice(ordered, number + 1, None):
            if other.offsets[dim] >= end:
                break
            if _meet(chunk, other):
                return chunk, other
    return None


def _meet(one: Chunk, other: Chunk) -> bool:
    return all(
        start < other_start + other_size and other_start < start + size
        for start, size, other_start, other_size in zip(
            one.offsets, one.sizes, other.offsets, other.sizes, strict=True
        )
    )
