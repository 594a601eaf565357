from __future__ import annotations

import pytest
import torch

from prunetool.checkpoints.nonzeros import bits_of, count_nonzeros, without_negative_zeros


@pytest.mark.parametrize(
    "dtype",
    [
        torch.float64,
        torch.float32,
        torch.float16,
        torch.bfloat16,
        torch.float8_e4m3fn,
        torch.float8_e5m2,
        torch.complex64,
    ],
)
def test_zeros_of_both_signs_are_zeros(dtype):
    values = torch.tensor([0.0, -0.0, 1.0, float("nan"), -2.0]).to(dtype)
    assert count_nonzeros(values) == 3
    assert int((bits_of(values) != 0).sum()) == 4


@pytest.mark.parametrize("dtype", [torch.int64, torch.uint8, torch.uint16, torch.bool])
def test_whole_numbers(dtype):
    assert count_nonzeros(torch.tensor([0, 1, 1]).to(dtype)) == 2
    assert count_nonzeros(torch.empty(0, dtype=dtype)) == 0


def test_signalling_nans_are_counted_without_a_word():
    for dtype in (torch.float32, torch.complex64, torch.float64):
        raw = torch.tensor([0x7FA00001, 0x7FF4000000000001][dtype == torch.float64])
        integers = torch.int64 if dtype == torch.float64 else torch.int32
        assert count_nonzeros(raw.to(integers).repeat(2).view(dtype)) > 0


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16])
def test_negative_zeros_become_positive_and_nothing_else(dtype):
    values = torch.tensor([-0.0, 0.0, -1.5, float("nan"), -float("inf")], dtype=dtype)

    found = without_negative_zeros(values)

    assert bits_of(found)[:2].tolist() == [0, 0]
    assert bits_of(found)[2:].tolist() == bits_of(values)[2:].tolist()
    assert bits_of(values)[0] != 0


def test_negative_zeros_of_eight_bits():
    values = torch.tensor([-0.0, 1.0]).to(torch.float8_e4m3fn)

    assert without_negative_zeros(values).view(torch.uint8).tolist() == [0, 0x38]
