from __future__ import annotations

import time

import pytest
import torch

from prunetool.checkpoints.lazy import LazyTensor, MemoryTensor, ranges
from prunetool.checkpoints.sharded.chunks import ChunkedTensor, assemble, check_chunks
from prunetool.checkpoints.sharded.index import Chunk, TensorEntry
from prunetool.errors import CheckpointError


def entry(shape, *chunks):
    return TensorEntry(torch.int64, torch.Size(shape), tuple(Chunk(*chunk) for chunk in chunks))


GOOD = {
    "whole": entry([2, 3], [(0, 0), (2, 3)]),
    "rows": entry([7, 5], [(4, 0), (3, 5)], [(0, 0), (4, 5)]),
    "columns": entry([2, 5], [(0, 0), (2, 3)], [(0, 3), (2, 2)]),
    "grid": entry([3, 4], [(0, 0), (2, 2)], [(0, 2), (2, 2)], [(2, 0), (1, 2)], [(2, 2), (1, 2)]),
    "scalar": entry([], [(), ()]),
    "an empty chunk": entry([1, 5], [(0, 0), (1, 5)], [(1, 0), (0, 5)]),
}


@pytest.mark.parametrize("name", GOOD)
def test_chunks_are_put_in_their_places(name):
    it = GOOD[name]
    whole = torch.arange(it.shape.numel()).reshape(it.shape)

    def read(chunk):
        return MemoryTensor(whole[block(chunk)].clone())

    check_chunks("w", it)
    assert torch.equal(assemble(it, read), whole)
    lazy = ChunkedTensor(it, read)
    for piece in (1, 2, 3, 100):
        parts = [lazy.flat(*each) for each in ranges(it.shape.numel(), piece)]
        assert torch.equal(torch.cat(parts).reshape(it.shape), whole), piece


def block(chunk):
    return tuple(slice(o, o + s) for o, s in zip(chunk.offsets, chunk.sizes, strict=True))


class Watched(LazyTensor):
    """A chunk that notes what is read of it."""

    def __init__(self, values, chunk, seen):
        super().__init__(torch.Size(chunk.sizes), values.dtype)
        self.values, self.chunk, self.seen = values[block(chunk)].reshape(-1), chunk, seen

    def flat(self, start, stop):
        self.seen.append((self.chunk.offsets[0], start, stop))
        return self.values[start:stop].clone()


def test_chunks_of_rows_are_opened_once_and_read_by_ranges():
    it = entry([7, 5], [(4, 0), (3, 5)], [(0, 0), (4, 5)])
    whole = torch.arange(35).reshape(7, 5)
    opened, seen = [], []

    def read(chunk):
        opened.append(chunk.offsets[0])
        return Watched(whole, chunk, seen)

    lazy = ChunkedTensor(it, read)
    for each in ranges(35, 16):
        lazy.flat(*each)

    assert opened == [0, 4]
    assert seen == [(0, 0, 16), (0, 16, 20), (4, 0, 12), (4, 12, 15)]
    assert lazy.flat(33, 35).tolist() == [33, 34]


def test_a_grid_of_too_many_chunks_is_not_compared_for_minutes():
    side = 300
    chunks = [[(row, column), (1, 1)] for row in range(side) for column in range(side)]
    start = time.perf_counter()

    with pytest.raises(CheckpointError, match="w: 90000 chunks that lie side by side, more than"):
        check_chunks("w", entry([side, side], *chunks))

    assert time.perf_counter() - start < 30  # all would be 13 million pairs


def test_a_tensor_without_elements():
    it = entry([0, 4], [(0, 0), (0, 4)])

    check_chunks("w", it)
    assert assemble(it, lambda _: pytest.fail("nothing to read")).shape == (0, 4)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (entry([2, 3]), "w: expected 6 elements in its chunks, found 0; the folder is incomplete"),
        (entry([4], [(0,), (2,)]), "expected 4 elements in its chunks, found 2"),
        (entry([4], [(0,), (3,)], [(2,), (2,)]), r"two chunks overlap, at \[0\] and \[2\]"),
        (entry([4], [(0,), (2,)], [(0,), (2,)]), "two chunks overlap"),
        (entry([], [(), ()], [(), ()]), "two chunks overlap"),
        (
            entry([2, 2], [(0, 0), (2, 1)], [(1, 0), (1, 2)], [(0, 1), (1, 1)]),
            r"two chunks overlap, at \[0, 0\] and \[1, 0\]",
        ),
        (entry([4], [(2,), (4,)]), r"inside the shape \[4\], found one at \[2\] of \[4\]"),
        (entry([4], [(0, 0), (2, 2)]), r"inside the shape \[4\]"),
        (entry([4], [(0,), (2, 2)]), r"inside the shape \[4\]"),
        (entry([2**40, 2**40], [(0, 0), (2, 2)]), "elements in its chunks, found 4"),
    ],
)
def test_chunks_that_do_not_fit(bad, message):
    with pytest.raises(CheckpointError, match=message):
        check_chunks("w", bad)


@pytest.mark.parametrize("dim", [0, 1])
def test_many_chunks_are_checked_at_once(dim):
    count = 20_000
    shape = [count, 2] if dim == 0 else [2, count]
    size = (1, 2) if dim == 0 else (2, 1)
    chunks = [[(at, 0) if dim == 0 else (0, at), size] for at in range(count)]
    start = time.perf_counter()

    check_chunks("w", entry(shape, *chunks))

    assert time.perf_counter() - start < 5  # comparing all with all takes minutes
