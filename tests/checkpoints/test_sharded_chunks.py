from __future__ import annotations

import time

import pytest
import torch

from prunetool.checkpoints.sharded_chunks import assemble, check_chunks
from prunetool.checkpoints.sharded_index import Chunk, TensorEntry
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
        return whole[
            tuple(slice(o, o + s) for o, s in zip(chunk.offsets, chunk.sizes, strict=True))
        ].clone()

    check_chunks("w", it)
    assert torch.equal(assemble(it, read), whole)


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
