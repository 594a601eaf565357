from __future__ import annotations

import math

import pytest
import torch

from prunetool.reports.counting.zeros import Zeros, find_zeros

FLOATS = [
    *(torch.float64, torch.float32, torch.float16, torch.bfloat16),
    *(torch.float8_e4m3fn, torch.float8_e5m2, torch.float8_e4m3fnuz, torch.float8_e5m2fnuz),
]


def zeros_of(values, **options):
    flat = values.reshape(-1)
    return find_zeros(lambda start, stop: flat[start:stop].clone(), values.shape, **options)


@pytest.mark.parametrize("dtype", FLOATS)
def test_both_zeros_of_a_float_and_nothing_else(dtype):
    smallest = torch.finfo(dtype).smallest_normal
    numbers = [0.0, -0.0, smallest, -smallest, math.nan, -math.nan, 1.0]
    values = torch.tensor(numbers, dtype=torch.float64).to(dtype)

    assert zeros_of(values) == Zeros(2, "elements", ())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_what_is_too_small_to_be_normal_is_not_zero(dtype):
    tiny = torch.tensor([torch.finfo(dtype).smallest_normal / 8], dtype=torch.float64).to(dtype)

    assert float(tiny) > 0
    assert zeros_of(tiny).count == 0


@pytest.mark.parametrize(
    "dtype", [torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64]
)
def test_integers(dtype):
    assert zeros_of(torch.tensor([[1, 0, 0], [1, 1, 1]]).to(dtype)) == Zeros(2, "elements", (0, 0))


def test_the_least_integer_is_not_zero():
    assert zeros_of(torch.tensor([-(2**63), 0])).count == 1


def test_complex_numbers():
    assert zeros_of(torch.tensor([0j, 1j, 1.0, -0.0])).count == 2


def test_no_elements():
    assert zeros_of(torch.empty(3, 0)) == Zeros(0, None, (0, 0))


def test_each_element_is_read_once_and_in_pieces():
    values = torch.ones(100, 10, dtype=torch.float16)
    values[3] = 0
    read, told = [], []

    def flat(start, stop):
        read.append((start, stop))
        return values.reshape(-1)[start:stop].clone()

    found = find_zeros(flat, values.shape, advance=told.append, piece=300)

    assert found == Zeros(10, "channels:0", (1, 0))
    assert read == [(0, 300), (300, 600), (600, 900), (900, 1000)]
    assert told == [600, 600, 600, 200]
