"""Where the records of a torch archive lie: a zip file whose records are stored as they are.

Read here and not by a library, because a zip file can be forged so that two readers see two
archives, that its records overlap, or that they grow without end: nothing of that is taken.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from prunetool.checkpoints.byte_source import ByteSource

_END = struct.Struct("<4s4H2LH")  # signature, disks, entries, size and start of the directory
_END_64_PLACE = struct.Struct("<4sLQL")
_END_64 = struct.Struct("<4sQ2H2L4Q")
_ENTRY = struct.Struct("<4s4B4HL2L5H2L")
_LOCAL = struct.Struct("<4s2B4HL2L2H")
_END_MARK, _END_64_PLACE_MARK, _END_64_MARK = b"PK\x05\x06", b"PK\x06\x07", b"PK\x06\x06"
_ENTRY_MARK, _LOCAL_MARK = b"PK\x01\x02", b"PK\x03\x04"
_CODE = "/code/__torch__"
_LONGEST_COMMENT = 2**16
_LARGEST_DIRECTORY = 2**26  # bytes; some hundred thousand records
_IN_EXTRA = 0xFFFFFFFF  # the number is in the extra field
_ZIP64, _ENCRYPTED, _STORED = 1, 1, 0


class ArchiveError(Exception):
    """The bytes are no archive as torch writes it; says what was found instead."""


class CutOffError(ArchiveError):
    """The bytes are the start of an archive, or a damaged one; says what is missing."""


@dataclass(frozen=True)
class Record:
    """The bytes of one record, counted from the start of the file."""

    start: int
    size: int


def read_records(source: ByteSource, start: int, length: int) -> dict[str, Record]:
    """Find the records of the archive in ``length`` bytes from ``start`` on, by name.

    Raises:
        ArchiveError: if it is cut off or damaged, or its records are compressed or overlap.
        CheckpointError: if the file cannot be read.
    """
    first, size, count = _directory(source, start, length)
    directory = bytes(source.read(start + first, size))
    records: dict[str, Record] = {}
    for name, record in _entries(source, directory, count, start, first):
        if name in records:
            raise ArchiveError(f"two records of the name {name[:99]!r}")
        records[name] = record
    end = 0
    for record in sorted(records.values(), key=lambda it: it.start):
        if record.start < end:
            raise ArchiveError("records that overlap")
        end = record.start + record.size
    return records


def _directory(source: ByteSource, start: int, length: int) -> tuple[int, int, int]:
    """Return where the directory begins in the archive, its bytes and its number of entries."""
    tail_start = max(0, length - _LONGEST_COMMENT - _END.size)
    tail = bytes(source.read(start + tail_start, length - tail_start))
    at = tail.rfind(_END_MARK)
    while at >= 0 and len(tail) - at < _END.size:
        at = tail.rfind(_END_MARK, 0, at)
    if at < 0:
        raise CutOffError("the end of its zip archive is missing")
    _, _, _, _, count, size, first, _ = _END.unpack_from(tail, at)
    end = tail_start + at
    wide = _directory_64(source, start, end)
    if wide is not None:
        count, size, first, end = wide
    if first + size != end or size > _LARGEST_DIRECTORY:
        raise ArchiveError("a table of contents that is not where it should be, or too large")
    return first, size, count


def _directory_64(source: ByteSource, start: int, end: int) -> tuple[int, int, int, int] | None:
    """Return entries, size and start of the directory, and its end, where there is a wide record.

    torch writes one into every file, small ones too.
    """
    if end < _END_64_PLACE.size:
        return None
    place = source.read(start + end - _END_64_PLACE.size, _END_64_PLACE.size)
    mark, _, at, _ = _END_64_PLACE.unpack(place)
    if mark != _END_64_PLACE_MARK:
        return None
    if at + _END_64.size > end - _END_64_PLACE.size:
        raise CutOffError("the end of its zip archive is damaged")
    fields = _END_64.unpack(source.read(start + at, _END_64.size))
    if fields[0] != _END_64_MARK:
        raise CutOffError("the end of its zip archive is damaged")
    return fields[7], fields[8], fields[9], at


def _entries(
    source: ByteSource, directory: bytes, count: int, start: int, limit: int
) -> Iterator[tuple[str, Record]]:
    at = 0
    for _ in range(count):
        if at + _ENTRY.size > len(directory):
            raise ArchiveError("a table of contents that is cut off")
        fields = _ENTRY.unpack_from(directory, at)
        at += _ENTRY.size
        flags, method, packed, size = fields[5], fields[6], fields[10], fields[11]
        name_size, extra_size, comment_size, place = *fields[12:15], fields[18]
        name = directory[at : at + name_size]
        extra = directory[at + name_size : at + name_size + extra_size]
        at += name_size + extra_size + comment_size
        if fields[0] != _ENTRY_MARK or at > len(directory):
            raise ArchiveError("a table of contents that is damaged")
        size, packed, place = _wide(extra, size, packed, place)
        shown = name.decode("utf-8", errors="replace")
        if _CODE in shown:
            raise ArchiveError("a TorchScript program: load it and save its state_dict() instead")
        if method != _STORED or size != packed:
            raise ArchiveError(f"record {shown[:99]!r} is compressed, which torch.save never does")
        if flags & _ENCRYPTED:
            raise ArchiveError(f"record {shown[:99]!r} is encrypted")
        yield shown, _record(source, name, place, size, start, limit)


def _wide(extra: bytes, *numbers: int) -> list[int]:
    """Take the numbers that do not fit into 32 bits from the extra field, in their order."""
    wide = b""
    at = 0
    while at + 4 <= len(extra):
        kind, size = struct.unpack_from("<2H", extra, at)
        if kind == _ZIP64:
            wide = extra[at + 4 : at + 4 + size]
        at += 4 + size
    found = []
    for number in numbers:
        if number == _IN_EXTRA:
            if len(wide) < 8:
                raise ArchiveError("a table of contents that is damaged")
            number, wide = int.from_bytes(wide[:8], "little"), wide[8:]
        found.append(number)
    return found


def _record(
    source: ByteSource, name: bytes, place: int, size: int, start: int, limit: int
) -> Record:
    """Look at the header before the bytes themselves; it has to say the same name."""
    if place + _LOCAL.size + len(name) > limit:
        raise ArchiveError("a record outside of its archive")
    header = source.read(start + place, _LOCAL.size + len(name))
    fields = _LOCAL.unpack_from(header)
    if fields[0] != _LOCAL_MARK or header[_LOCAL.size :] != name or fields[10] != len(name):
        raise ArchiveError("a record whose header says something else than the table of contents")
    first = place + _LOCAL.size + len(name) + fields[11]
    if first + size > limit:
        raise ArchiveError("a record outside of its archive")
    return Record(start + first, size)
