"""The values in a torch file: a zip record for each storage, each at a place that is known first.

So several threads write them at once, which ``zipfile`` cannot; the rest is left to it.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import IO

import torch
from torch import Tensor

from prunetool.checkpoints.fingerprints import Pieces, fingerprint
from prunetool.checkpoints.lazy import ranges
from prunetool.checkpoints.progress import Advance
from prunetool.checkpoints.torch_files.new_tensors import NewStorage
from prunetool.checkpoints.torch_files.storages import Storage
from prunetool.checkpoints.workers import THREADS, share_out
from prunetool.checkpoints.writing import write_at

FOLDER = "archive"  # in the zip file, as torch.save names it without knowing the file
ALIGNMENT = 64  # bytes; of the values of every storage, so that they can be mapped
_BLOCK = 2**20  # bytes that are copied at once; fits caches
_HEADER, _ZIP64_EXTRA, _EXTRA_HEAD = 30, 20, 4  # bytes of zip's own fields
_PADDING = b"FB"  # the kind of extra field that torch pads with
_LARGE = 2**31 - 1  # bytes from which zip needs its wide fields
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the same file at any time
_MODE = 0o600 << 16  # what zipfile gives its own records

Values = Storage | NewStorage | torch.UntypedStorage


@dataclass(frozen=True)
class _Record:
    values: Values
    info: zipfile.ZipInfo
    start: int  # of the values in the file
    written: list[tuple[int, int]] = field(default_factory=list)


def write_values(
    target: zipfile.ZipFile, storages: Sequence[Values], advance: Advance
) -> dict[str, Pieces]:
    """Write the values of all storages behind what is in ``target`` already.

    Args:
        target: a zip file that is being written.
        advance: told of the bytes.

    Returns:
        What went into each record, by its name in the folder.
    """
    records = [_add(target, f"data/{key}", values) for key, values in enumerate(storages)]
    file = target.fp
    assert file is not None
    largest_first = sorted(records, key=lambda it: -it.info.file_size)
    tasks = [partial(_write, file, record) for record in largest_first]
    share_out(tasks, advance, threads=1 if isinstance(file, io.BytesIO) else THREADS)
    return {f"data/{key}": record.written for key, record in enumerate(records)}


def record_info(name: str, size: int, at: int) -> zipfile.ZipInfo:
    """Describe a record that begins at byte ``at``: padded, so that its values are aligned."""
    info = zipfile.ZipInfo(f"{FOLDER}/{name}", _EPOCH)
    before = at + _HEADER + len(info.filename) + is_wide(size) * _ZIP64_EXTRA + _EXTRA_HEAD
    padding = -before % ALIGNMENT
    info.extra = _PADDING + padding.to_bytes(2, "little") + b"Z" * padding
    return info


def is_wide(size: int) -> bool:
    """Say whether zip's wide fields are needed for a record of so many bytes."""
    return size > _LARGE


def size_of(values: Values) -> int:
    """Return how many bytes there are."""
    return values.nbytes() if isinstance(values, torch.UntypedStorage) else values.nbytes


def _add(target: zipfile.ZipFile, name: str, values: Values) -> _Record:
    """Have ``target`` list a record as its last one, which is yet to be written."""
    size, at = size_of(values), target.start_dir
    info = record_info(name, size, at)
    info.header_offset, info.external_attr = at, _MODE
    info.file_size = info.compress_size = size
    info.CRC = 0
    start = at + len(info.FileHeader(zip64=is_wide(size)))
    target.filelist.append(info)
    target.start_dir = start + size
    return _Record(values, info, start)


def _write(file: IO[bytes], record: _Record, advance: Advance) -> None:
    position, checksum = record.start, 0
    for block in _blocks(record.values):
        checksum = zlib.crc32(block, checksum)
        record.written.append((len(block), fingerprint(block)))
        position = write_at(file, position, block)
        advance(len(block))
    info = record.info
    info.CRC = checksum
    write_at(file, info.header_offset, info.FileHeader(zip64=is_wide(info.file_size)))


def _blocks(values: Values) -> Iterator[bytearray | memoryview]:
    match values:
        case Storage():
            assert values.start is not None
            for first, end in ranges(values.nbytes, _BLOCK):
                yield values.source.read(values.start + first, end - first)
        case NewStorage():
            yield from map(_bytes, values.pieces())
        case _:
            content = torch.empty(0, dtype=torch.uint8).set_(values)
            for first, end in ranges(content.numel(), _BLOCK):
                yield _bytes(content[first:end])


def _bytes(values: Tensor) -> memoryview:
    return values.contiguous().view(torch.uint8).numpy().data
