"""Putting a tensor together from its chunks, once they are known to fit: no gap, no overlap."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Sequence
from itertools import islice

import torch
from torch import Tensor

from prunetool.checkpoints.lazy import LazyTensor, MemoryTensor
from prunetool.checkpoints.sharded.index import Chunk, TensorEntry
from prunetool.errors import CheckpointError

_MOST_COMPARED = 2_000_000  # pairs of chunks; some seconds


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
    clash = _overlap(key, chunks)
    if clash is not None:
        raise CheckpointError(
            f"{key}: two chunks overlap, at {list(clash[0].offsets)} and {list(clash[1].offsets)}; "
            "the folder is inconsistent"
        )
    found, expected = sum(chunk.elements for chunk in chunks), math.prod(entry.shape)
    if found != expected:
        raise CheckpointError(
            f"{key}: expected {expected} elements in its chunks, found {found}; "
            "the folder is incomplete: copy it again, with the files of all ranks"
        )


def assemble(entry: TensorEntry, read: Callable[[Chunk], LazyTensor]) -> Tensor:
    """Read all chunks into one new tensor; at most one chunk is in memory beside it.

    Args:
        read: opens one chunk, of the chunk's shape and the entry's dtype.
    """
    chunks = [chunk for chunk in entry.chunks if chunk.elements]
    if len(chunks) == 1:
        return read(chunks[0]).read()
    whole = torch.empty(entry.shape, dtype=entry.dtype)
    for chunk in chunks:
        block = tuple(
            slice(start, start + size)
            for start, size in zip(chunk.offsets, chunk.sizes, strict=True)
        )
        whole[block] = read(chunk).read()
    return whole


class ChunkedTensor(LazyTensor):
    """A tensor in chunks, read by ranges where all are cut along dimension 0, else whole.

    Args:
        read: opens one chunk, of the chunk's shape and the entry's dtype.
    """

    def __init__(self, entry: TensorEntry, read: Callable[[Chunk], LazyTensor]) -> None:
        super().__init__(entry.shape, entry.dtype)
        self._entry = entry
        self._read = read
        self._blocks = _blocks(entry)
        self._ends = [end for _, end, _ in self._blocks]
        self._last: tuple[int, LazyTensor] | None = None  # the block that was opened last

    def flat(self, start: int, stop: int) -> Tensor:
        """Read a range of elements; going through them in order opens each chunk once."""
        parts = []
        for number in range(bisect_right(self._ends, start), len(self._blocks)):
            first, end, _ = self._blocks[number]
            if first >= stop:
                break
            parts.append(self._block(number).flat(max(start - first, 0), min(stop, end) - first))
        if stop == self.elements:
            self._last = None
        if len(parts) == 1:
            return parts[0]
        return torch.cat(parts) if parts else torch.empty(0, dtype=self.dtype)

    def _block(self, number: int) -> LazyTensor:
        last = self._last  # which another thread may change
        if last is None or last[0] != number:
            self._last = last = None  # before the next one is in memory
            chunk = self._blocks[number][2]
            if chunk is None:
                last = number, MemoryTensor(assemble(self._entry, self._read))
            else:
                last = number, self._read(chunk)
            self._last = last
        return last[1]


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


def _overlap(key: str, chunks: Sequence[Chunk]) -> tuple[Chunk, Chunk] | None:
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
    compared = 0
    for number, chunk in enumerate(ordered):
        end = chunk.offsets[dim] + chunk.sizes[dim]
        for other in islice(ordered, number + 1, None):
            if other.offsets[dim] >= end:
                break
            compared += 1
            if compared > _MOST_COMPARED:
                raise CheckpointError(
                    f"{key}: {len(chunks)} chunks that lie side by side, more than can be checked"
                )
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
