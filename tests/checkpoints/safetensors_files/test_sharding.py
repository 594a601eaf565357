from __future__ import annotations

import pytest
import torch

from prunetool.checkpoints.conversion import Conversion
from prunetool.checkpoints.lazy import MemoryTensor
from prunetool.checkpoints.safetensors_files.sharding import parse_size, shards
from prunetool.checkpoints.streams import DenseStream
from prunetool.checkpoints.tensors import NamedTensor
from prunetool.errors import OptionError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("5GB", 5 * 10**9),
        ("500MB", 500 * 10**6),
        ("1.5 GiB", 3 * 2**29),
        ("10kb", 10_000),
        ("2TB", 2 * 10**12),
        ("123", 123),
        ("7B", 7),
    ],
)
def test_sizes(text, expected):
    assert parse_size(text) == expected


@pytest.mark.parametrize("text", ["", "GB", "5XB", "five", "-1GB", "0", "1e400", "5BG", "nan"])
def test_what_is_no_size(text):
    with pytest.raises(OptionError, match=f"--max-shard-size {text}: expected a size such as 5GB"):
        parse_size(text)


def stream(name, nbytes):
    tensor = NamedTensor(name, MemoryTensor(torch.zeros(nbytes, dtype=torch.uint8)))
    return DenseStream(name, Conversion(tensor, torch.uint8))


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ([4, 6, 1], ["ab", "c"]),
        ([4, 7, 3], ["a", "bc"]),
        ([99, 1, 9], ["a", "bc"]),
        ([1, 99, 1], ["a", "b", "c"]),
        ([10, 10], ["a", "b"]),
    ],
)
def test_no_shard_is_larger_than_allowed_but_for_one_tensor(sizes, expected):
    streams = [stream(name, size) for name, size in zip("abc", sizes, strict=False)]

    parts = shards(streams, largest=10)

    assert ["".join(it.name for it in part) for part in parts] == expected
