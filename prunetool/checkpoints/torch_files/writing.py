"""torch's zip format, written: as ``torch.save`` does, but reading the values only then.

So a file of any size is written with the memory of a few pieces, and what was not imported when
it was read is written back as it was.
"""

from __future__ import annotations

import contextlib
import io
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO

from prunetool.checkpoints.byte_source import ByteSource
from prunetool.checkpoints.fingerprints import Pieces, fingerprint
from prunetool.checkpoints.progress import Advance, unseen
from prunetool.checkpoints.torch_files.archive import Archive
from prunetool.checkpoints.torch_files.pickler import Pickler
from prunetool.checkpoints.torch_files.records import (
    ALIGNMENT,
    FOLDER,
    record_info,
    size_of,
    write_values,
)
from prunetool.checkpoints.torch_files.zip_records import ArchiveError, Record, read_records
from prunetool.checkpoints.workers import share_out
from prunetool.checkpoints.writing import set_aside
from prunetool.errors import OutputError

_RECURSION_LIMIT = 20_000  # the pickler in Python needs several frames where the C one needs one


@dataclass(frozen=True)
class Written:
    """What was written, to be compared with what reads back: the content of each record."""

    records: dict[str, Pieces]


def write_torch(archive: Archive, file: BinaryIO, *, advance: Advance = unseen) -> Written:
    """Write ``archive`` as ``torch.save`` does; equal content gives equal bytes.

    Args:
        advance: told of the bytes of values written.
    """
    data = io.BytesIO()
    with _deep_recursion():
        pickler = Pickler(data, archive.protocol)
        pickler.dump(archive.content)
    small = {
        "data.pkl": data.getvalue(),
        ".format_version": b"1",
        ".storage_alignment": str(ALIGNMENT).encode(),
        "byteorder": sys.byteorder.encode(),
    }
    records: dict[str, Pieces] = {}
    with contextlib.suppress(io.UnsupportedOperation):  # a file in memory
        set_aside(file.fileno(), sum(size_of(storage) for storage in pickler.storages))
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as target:
        for name, content in small.items():
            records[name] = _write(target, name, content)
        records |= write_values(target, pickler.storages, advance)
        records["version"] = _write(target, "version", b"3\n")
        for info in target.filelist:
            info.extra = b""  # the padding is for the records, not for the table of contents
    return Written(records)


def check_records(path: Path, written: Written, *, target: Path, advance: Advance = unseen) -> None:
    """Read a file back and compare every record with what was written.

    Args:
        path: the file to read.
        target: what to call it in an error message.

    Raises:
        OutputError: naming the first record that differs.
    """
    source = ByteSource(path)
    try:
        found = read_records(source, 0, source.size)
    except ArchiveError as error:
        raise OutputError(f"{target}: does not read back: {error}; check the disk") from error

    def compare(name: str, advance: Advance) -> None:
        record = found.get(f"{FOLDER}/{name}")
        if record is None or not _is_same(source, record, records[name], advance):
            raise OutputError(
                f"{target}: record {name} does not read back as it was written; "
                "check the disk, and write to another folder with -o"
            )

    records = written.records
    largest_first = sorted(records, key=lambda name: -_size(records[name]))
    share_out([partial(compare, name) for name in largest_first], advance)


def _is_same(source: ByteSource, record: Record, written: Pieces, advance: Advance) -> bool:
    if record.size != _size(written):
        return False
    start = record.start
    for size, expected in written:
        if fingerprint(source.read(start, size)) != expected:
            return False
        start += size
        advance(size)
    return True


def _size(written: Pieces) -> int:
    return sum(size for size, _ in written)


def _write(target: zipfile.ZipFile, name: str, content: bytes) -> Pieces:
    """Write one record, its first byte at a multiple of the alignment."""
    target.writestr(record_info(name, len(content), target.start_dir), content)
    return [(len(content), fingerprint(content))]


@contextmanager
def _deep_recursion() -> Iterator[None]:
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(max(before, _RECURSION_LIMIT))
    try:
        yield
    finally:
        sys.setrecursionlimit(before)
