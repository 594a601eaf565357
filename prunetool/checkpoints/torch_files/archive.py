"""torch's zip format, read: a pickle, and one record for the values of each storage.

A whole file is one such archive; the files of a sharded folder hold many, one after the other.
"""

from __future__ import annotations

import io
import pickle
import sys
from dataclasses import dataclass
from typing import Any

from prunetool.checkpoints.byte_source import ByteSource
from prunetool.checkpoints.sizes import is_size
from prunetool.checkpoints.torch_files.limits import PICKLE_BYTES, RefusedError
from prunetool.checkpoints.torch_files.standins import Name
from prunetool.checkpoints.torch_files.storages import Storage, stored_dtype
from prunetool.checkpoints.torch_files.unpickler import Unpickler
from prunetool.checkpoints.torch_files.zip_records import (
    ArchiveError,
    CutOffError,
    Record,
    read_records,
)

_PICKLE, _BYTE_ORDER, _PROGRAM = "data.pkl", "byteorder", "constants.pkl"
_OLDEST_PROTOCOL = 2  # of torch.save; the ones before cannot hold tensors


@dataclass(frozen=True)
class Archive:
    """What a torch file holds.

    Attributes:
        content: the object that was saved; tensors in it are lazy, see ``views.py``.
        protocol: the pickle protocol it was saved with, which spells the names inside.
    """

    content: Any
    protocol: int


def read_archive(source: ByteSource, start: int = 0, length: int | None = None) -> Archive:
    """Read the archive in ``length`` bytes of a file from ``start`` on; nothing in it is run.

    Raises:
        ArchiveError: if there is none that torch.save wrote.
        Exception: whatever a damaged or forged pickle makes the unpickler stumble over.
    """
    records = read_records(source, start, source.size - start if length is None else length)
    prefix = _prefix(records)
    if prefix + _PROGRAM in records:
        raise ArchiveError("a TorchScript program: save the module's state_dict() instead")
    order = records.get(prefix + _BYTE_ORDER)
    if order is not None and _bytes(source, order) != sys.byteorder.encode():
        raise ArchiveError(f"values that are not in this machine's byte order, {sys.byteorder}")
    data = _bytes(source, records[prefix + _PICKLE])
    protocol = data[1] if data[:1] == pickle.PROTO and len(data) > 1 else 0
    storages = _Storages(source, prefix, records)
    content = Unpickler(io.BytesIO(data), storages.find).load()
    return Archive(content, max(protocol, _OLDEST_PROTOCOL))


def _prefix(records: dict[str, Record]) -> str:
    """Return the folder in the archive that everything is in: named after the file, once."""
    found = [name for name in records if name.split("/")[1:] == [_PICKLE]]
    if len(found) != 1:
        raise ArchiveError(f"a zip archive with {len(found) or 'no'} {_PICKLE}")
    return found[0].removesuffix(_PICKLE)


def _bytes(source: ByteSource, record: Record) -> bytes:
    if record.size > PICKLE_BYTES:
        raise RefusedError(f"a pickle of {record.size} bytes, more than {PICKLE_BYTES}")
    return bytes(source.read(record.start, record.size))


class _Storages:
    def __init__(self, source: ByteSource, prefix: str, records: dict[str, Record]) -> None:
        self._source, self._prefix, self._records = source, prefix, records
        self._known: dict[tuple[str, Name, int], Storage] = {}

    def find(self, pid: Any) -> Storage:
        """Return what a tensor refers to by ("storage", class, key, device, elements)."""
        kind, key, elements = storage_fields(pid, 5)
        dtype = stored_dtype(kind)
        assert dtype is not None
        wanted = key, kind, elements
        if wanted not in self._known:
            record = self._records.get(f"{self._prefix}data/{key}")
            nbytes = elements * dtype.itemsize
            if record is None or record.size < nbytes:
                size = 0 if record is None else record.size
                raise CutOffError(f"{nbytes} bytes of values {key[:99]!r} wanted, {size} there")
            self._known[wanted] = Storage(self._source, record.start, nbytes, kind)
        return self._known[wanted]


def storage_fields(pid: Any, count: int) -> tuple[Name, str, int]:
    """Take a persistent id of torch apart: the class of a storage, its key, its elements.

    Raises:
        ArchiveError: if it is something else.
    """
    if isinstance(pid, tuple) and len(pid) == count and pid[0] in ("storage", b"storage"):
        kind, key, elements = pid[1], pid[2], pid[4]
        if isinstance(kind, Name) and isinstance(key, str) and is_size(elements):
            if stored_dtype(kind) is None:
                raise ArchiveError(f"values in a {kind.module[:99]}.{kind.qualname[:99]}")
            return kind, key, elements
    raise ArchiveError("values of an unknown kind")
