from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from prunetool.pruning.bits import pack_bits, unpack_bits


def test_the_first_element_is_the_lowest_bit_and_unused_bits_are_zero() -> None:
    mask = torch.tensor([1, 0, 0, 0, 0, 0, 0, 0, 1, 1], dtype=torch.bool)
    assert pack_bits(mask).tolist() == [0b0000_0001, 0b0000_0011]


def test_a_mask_in_another_memory_format_is_packed_in_row_major_order() -> None:
    mask = torch.zeros(2, 3, 2, 2, dtype=torch.bool)
    mask[0, 1, 0, 0] = mask[1, 0, 0, 1] = True  # row-major positions 4 and 13
    packed = pack_bits(mask.to(memory_format=torch.channels_last))
    assert packed.tolist() == [0b0001_0000, 0b0010_0000, 0]


@settings(max_examples=60, deadline=None)
@given(
    shape=st.lists(st.integers(0, 5), max_size=4), seed=st.integers(0, 2**32), share=st.floats(0, 1)
)
def test_packing_is_numpys_and_unpacking_undoes_it(
    shape: list[int], seed: int, share: float
) -> None:
    mask = torch.rand(shape, generator=torch.Generator().manual_seed(seed)) < share
    packed = pack_bits(mask)
    assert packed.dtype == torch.uint8
    assert packed.numpy().tobytes() == np.packbits(mask.numpy(), bitorder="little").tobytes()
    unpacked = unpack_bits(packed, shape)
    assert unpacked.dtype == torch.bool
    assert unpacked.shape == mask.shape
    assert torch.equal(unpacked, mask)


@pytest.mark.parametrize(
    ("packed", "shape", "message"),
    [
        (torch.zeros(1, dtype=torch.uint8), [9], r"expected 2 bytes .* shape \(9,\)"),
        (torch.zeros(3, dtype=torch.uint8), [2, 8], r"expected 2 bytes .* shape \(3,\)"),
        (torch.zeros(1, dtype=torch.int64), [8], r"expected 1 bytes .* got torch.int64"),
        (torch.zeros(1, 1, dtype=torch.uint8), [8], r"got torch.uint8 of shape \(1, 1\)"),
        (torch.zeros(1, dtype=torch.uint8), [0], r"expected 0 bytes"),
    ],
)
def test_bytes_that_do_not_fit_the_shape_are_refused(
    packed: torch.Tensor, shape: list[int], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        unpack_bits(packed, shape)
