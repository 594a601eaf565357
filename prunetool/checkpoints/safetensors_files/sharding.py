"""How tensors are shared among files of a largest size, and how the files are named."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from prunetool.checkpoints.safetensors_files.shard_index import INDEX_SUFFIX
from prunetool.checkpoints.streams import Stream
from prunetool.errors import OptionError

_UNITS = {
    "": 1,
    "B": 1,
    "KB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "TB": 10**12,
    "KIB": 2**10,
    "MIB": 2**20,
    "GIB": 2**30,
    "TIB": 2**40,
}


def parse_size(text: str) -> int:
    """Turn ``5GB``, ``500 MiB`` or a plain number into bytes, at least 1.

    Raises:
        OptionError: if it is none of these.
    """
    stripped = text.strip()
    digits = stripped.rstrip("BbIiKkMmGgTt ")
    unit = stripped[len(digits) :].strip().upper()
    try:
        size = int(float(digits) * _UNITS[unit])
    except (KeyError, ValueError, OverflowError):
        size = 0
    if size < 1:
        raise OptionError(f"--max-shard-size {text}: expected a size such as 5GB, 500MB or 2GiB")
    return size


def shards(streams: Sequence[Stream], *, largest: int) -> list[list[Stream]]:
    """Fill shards in the given order; no shard holds more than ``largest`` bytes of values.

    A tensor that is larger by itself gets a shard of its own.
    """
    filled: list[list[Stream]] = [[]]
    size = 0
    for stream in streams:
        if filled[-1] and size + stream.nbytes > largest:
            filled.append([])
            size = 0
        filled[-1].append(stream)
        size += stream.nbytes
    return filled


def shard_paths(target: Path, count: int) -> list[Path]:
    """Name ``count`` shards: ``STEM-00001-of-00003.safetensors``; ``target`` itself for one."""
    if count == 1:
        return [target]
    return [
        target.with_name(f"{target.stem}-{number:05d}-of-{count:05d}{target.suffix}")
        for number in range(1, count + 1)
    ]


def index_path(target: Path) -> Path:
    """Name the file that says which tensor is in which shard."""
    return target.with_name(target.name + INDEX_SUFFIX)


def index(parts: Sequence[Sequence[Stream]], paths: Sequence[Path]) -> bytes:
    """Write the index: the bytes of all values, and the shard of every tensor.

    A tensor that is stored as bits and values is named once, by its own name.
    """
    where = {
        stream.name: path.name for part, path in zip(parts, paths, strict=True) for stream in part
    }
    total = sum(stream.nbytes for part in parts for stream in part)
    content = {"metadata": {"total_size": total}, "weight_map": dict(sorted(where.items()))}
    return (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode()
