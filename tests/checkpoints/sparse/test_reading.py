from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch

from prunetool.checkpoints.lazy import PIECE, MemoryTensor, ranges
from prunetool.checkpoints.sparse.reading import sparse_tensors
from prunetool.errors import CheckpointError
from prunetool.pruning.bits import pack_bits

PATH = Path("m.safetensors")
BITS = torch.tensor([0b10011, 0b1], dtype=torch.uint8)  # elements 0, 1, 4 and 8
VALUES = torch.tensor([1.0, 2.0, 3.0, 4.0])


def opened(stored=None, *, version=1, **layouts):
    stored = {"w.bits": BITS, "w.values": VALUES} if stored is None else stored
    layouts = layouts or {"w": {"shape": [3, 3], "mask": [3, 3]}}
    metadata = {"sparse": json.dumps({"version": version, "tensors": layouts})}
    tensors = {name: MemoryTensor(it) for name, it in stored.items()}
    return sparse_tensors(tensors, metadata, PATH)


def test_elements():
    expected = torch.tensor([[1.0, 2, 0], [0, 3, 0], [0, 0, 4]])
    assert torch.equal(opened()["w"].read(), expected)


def test_slices_and_dense_tensors_beside():
    bits = torch.tensor([0b101], dtype=torch.uint8)
    stored = {"w.bits": bits, "w.values": VALUES, "b": torch.ones(2)}

    found = opened(stored, w={"shape": [2, 3], "mask": [1, 3]})
    assert list(found) == ["b", "w"]
    assert torch.equal(found["b"].read(), torch.ones(2))
    assert torch.equal(found["w"].read(), torch.tensor([[1.0, 0, 2], [3, 0, 4]]))


def test_a_mask_of_any_dims_that_broadcasts():
    bits = torch.tensor([0b0110], dtype=torch.uint8)  # of [[0, 1], [1, 0]]
    stored = {"w.bits": bits, "w.values": torch.arange(1.0, 7.0)}

    found = opened(stored, w={"shape": [2, 3, 2], "mask": [2, 1, 2]})["w"].read()
    assert torch.equal(found, torch.tensor([[[0, 1], [0, 2], [0, 3]], [[4, 0], [5, 0], [6, 0.0]]]))


def test_a_file_that_does_not_say_it_is_sparse():
    assert sparse_tensors({"w": MemoryTensor(VALUES)}, {"format": "pt"}, PATH) is None


NINE = {"shape": [3, 3], "mask": [3, 3]}


@pytest.mark.parametrize(
    ("stored", "layout", "message"),
    [
        ({"w.bits": BITS}, NINE, "w is not there as bits and values only"),
        ({"w": VALUES, "w.bits": BITS, "w.values": VALUES}, NINE, "w is not there as bits and"),
        (None, {"shape": [3, 3]}, "w has no shape and mask of as many dims"),
        (None, {"shape": [3, 3], "mask": [9]}, "w has no shape and mask of as many dims"),
        (None, {"shape": [3, -3], "mask": [3, 1]}, "w has no shape and mask of as many dims"),
        (None, {"shape": [3.0, 3], "mask": [3, 3]}, "w has no shape and mask of as many dims"),
        (None, {"shape": [True, 9], "mask": [1, 9]}, "w has no shape and mask of as many dims"),
        (None, {"shape": [2**62, 4], "mask": [1, 1]}, "w has no shape and mask of as many dims"),
        (None, {"shape": [2**40, 3], "mask": [2**40, 3]}, "expected 412316860416 bytes of bits"),
        (None, {"shape": [1] * 65, "mask": [1] * 65}, "w has no shape and mask of as many dims"),
        (None, [1], "w has no shape and mask of as many dims"),
        (None, {"shape": [3, 3], "mask": [3, 2]}, r"a mask of shape \[3, 2\] does not broadcast"),
        (None, {"shape": [4, 5], "mask": [4, 5]}, r"expected 3 bytes of bits .* found \[2\]"),
        ({"w.bits": BITS, "w.values": torch.ones(2, 2)}, NINE, r"a row of values, found \[2\] and"),
        ({"w.bits": BITS.char(), "w.values": VALUES}, NINE, "expected 2 bytes of bits"),
        (
            {"w.bits": BITS, "w.values": torch.ones(10)},
            NINE,
            r"10 values are no tensor of \[3, 3\]",
        ),
        (
            {"w.bits": BITS[:1], "w.values": VALUES},
            {"shape": [2**31, 1], "mask": [1, 1]},
            r"4 values are no tensor of \[2147483648, 1\]",
        ),
    ],
)
def test_what_is_refused_when_it_is_opened(stored, layout, message):
    with pytest.raises(CheckpointError, match=message):
        opened(stored, w=layout)


@pytest.mark.parametrize(
    ("bits", "values", "message"),
    [
        (BITS, VALUES[:3], "it has not as many values as bits that are set"),
        (BITS, torch.ones(5), "it has not as many values as bits that are set"),
        (torch.tensor([0b10011, 0b11], dtype=torch.uint8), VALUES, "bits are set behind the last"),
    ],
)
def test_what_is_refused_when_it_is_read(bits, values, message):
    tensor = opened({"w.bits": bits, "w.values": values})["w"]
    with pytest.raises(CheckpointError, match=f"m.safetensors: w: .*{message}"):
        tensor.read()


def test_many_tensors_cannot_claim_what_one_may_not():
    stored, layouts = {}, {}
    for number in range(3):
        stored |= {f"{number}.bits": BITS[:1] * 0, f"{number}.values": VALUES[:0]}
        layouts[str(number)] = {"shape": [2**29], "mask": [1]}
    with pytest.raises(CheckpointError, match=r"2: 0 values are no tensor of \[536870912\]"):
        opened(stored, **layouts)


@pytest.mark.parametrize(
    ("field", "message"),
    [
        ("{", "its field 'sparse' is no JSON"),
        ("[" * 100_000, "its field 'sparse' is JSON that is nested too deep"),
        ("[]", "its field 'sparse' is JSON that is no object"),
        ('{"version": 1, "version": 1}', "the name 'version' twice"),
        ('{"version": "1"}', "names no version"),
        ('{"version": 1}', "names no tensors"),
        ('{"version": 2}', "of version 2; this prunetool knows version 1: upgrade prunetool"),
    ],
)
def test_a_field_that_is_none(field, message):
    with pytest.raises(CheckpointError, match=message):
        sparse_tensors({}, {"sparse": field}, PATH)


def test_two_threads_may_read_one_tensor():
    torch.manual_seed(0)
    whole = torch.rand(5 * PIECE) * (torch.rand(5 * PIECE) > 0.5)
    stored = {"w.bits": pack_bits(whole != 0), "w.values": whole[whole != 0]}
    shape = [5 * PIECE]
    for _ in range(20):
        tensor = opened(stored, w={"shape": shape, "mask": shape})["w"]
        with ThreadPoolExecutor(2) as pool:
            parts = [
                [pool.submit(tensor.flat, *each) for each in ranges(tensor.elements)]
                for _ in range(2)
            ]
        for part in parts:
            assert torch.equal(torch.cat([it.result() for it in part]), whole)
