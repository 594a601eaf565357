from __future__ import annotations

import math

import pytest
import torch

from prunetool.checkpoints.conversion import Conversion
from prunetool.checkpoints.lazy import MemoryTensor
from prunetool.checkpoints.sparse.choice import choose_layouts, log2_choices
from prunetool.checkpoints.tensors import NamedTensor


def conversions(**tensors):
    return {
        name: Conversion(NamedTensor(name, MemoryTensor(it)), it.dtype)
        for name, it in tensors.items()
    }


@pytest.mark.parametrize(
    ("count", "chosen"), [(0, 0), (1, 0), (1, 1), (10, 3), (64, 32), (10_000, 1234)]
)
def test_the_logarithm_of_the_ways_to_choose(count, chosen):
    assert log2_choices(count, chosen) == pytest.approx(math.log2(math.comb(count, chosen)))


def kept(*shape, **values):
    tensor = torch.zeros(shape, dtype=torch.float16)
    for row, many in values.items():
        tensor[int(row[1:]), :many] = 1
    return tensor


@pytest.mark.parametrize(
    ("tensor", "bits"),
    [
        (torch.ones(4, 5), 20 * 32),
        (-torch.zeros(4, 5), 20 * 32),
        (torch.zeros(4, 5), 0),
        # single elements, which are fewer than what is left of rows or columns
        (kept(4, 5, r0=1, r1=2), 3 * 16 + math.log2(math.comb(20, 3))),
        # whole rows
        (kept(4, 6, r2=6), 6 * 16 + math.log2(4)),
        # groups of four of which two are there
        (torch.tensor([[1.0, 0, 1, 0], [0, 1, 1, 0], [0, 0, 1, 1]]), 3 * (64 + math.log2(6))),
        (torch.eye(4), 4 * (32 + 2)),
    ],
)
def test_the_least_that_any_code_needs(tensor, bits):
    _, sizes = choose_layouts(conversions(w=tensor))

    assert (sizes.dense, sizes.limit) == (tensor.nbytes, math.ceil(bits / 8))


def test_zeros_that_nothing_stands_for_are_few():
    # As many as one file may claim: a reader would have to refuse more.
    each = torch.zeros(1, dtype=torch.uint8).expand(2**15, 2**14)
    tensors = {f"w{number}": each for number in range(3)}

    layouts, _ = choose_layouts(conversions(**tensors))

    assert [layout.mask_shape for layout in layouts.values()] == [(1, 1), (1, 1), (2**15, 2**14)]
