"""One object that ``torch.save`` wrote into the middle of a larger file.

Sharded folders hold one such blob for every chunk. Their values are stored as they are, so that
no blob can grow when it is read: compressed records are refused.
"""

from __future__ import annotations

import io
import struct
import sys
import zipfile
from typing import TYPE_CHECKING, Any, BinaryIO

import torch

from prunetool.checkpoints.torch_zip import first_line
from prunetool.checkpoints.unpickler import Unpickler

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_LOCAL_HEADER = struct.Struct("<4s22xHH")  # signature, length of the name, length of the extra
_SIGNATURE = b"PK\x03\x04"


class BlobError(Exception):
    """The bytes are not what ``torch.save`` writes."""


def read_blob(file: BinaryIO, start: int, length: int) -> Any:
    """Read the object in ``length`` bytes of ``file`` from ``start`` on, running nothing.

    Raises:
        BlobError: if there is none, with the reason.
        OSError: if the file cannot be read.
    """
    try:
        with zipfile.ZipFile(_View(file, start, length)) as archive:
            records = {info.filename: info for info in archive.infolist()}
        return _Records(file, start, length, records).unpickle()
    except (OSError, BlobError):
        raise
    except Exception as error:
        # Whatever a damaged or forged archive or pickle makes its readers stumble over.
        raise BlobError(f"{type(error).__name__}: {first_line(error)}") from error


class _Records:
    """The records of one archive by name, each a range of bytes in the file around it."""

    def __init__(
        self, file: BinaryIO, start: int, length: int, records: dict[str, zipfile.ZipInfo]
    ) -> None:
        self.file, self.start, self.length, self.records = file, start, length, records
        pickles = [name for name in records if name.endswith("/data.pkl")]
        if len(pickles) != 1:
            raise BlobError("expected one data.pkl in a zip archive")
        self.prefix = pickles[0].removesuffix("data.pkl")

    def unpickle(self) -> Any:
        if f"{self.prefix}byteorder" in self.records:
            order = bytes(self.read("byteorder")).decode("latin1")
            if order != sys.byteorder:
                raise BlobError(f"{order}-endian values on a {sys.byteorder}-endian machine")
        return _BlobUnpickler(self).load()

    def read(self, name: str) -> bytearray:
        """Return the bytes of one record."""
        info = self.records[self.prefix + name]
        if info.compress_type != zipfile.ZIP_STORED or info.file_size != info.compress_size:
            raise BlobError(f"record {name} is compressed")
        header = _LOCAL_HEADER.unpack(self._bytes(info.header_offset, _LOCAL_HEADER.size))
        if header[0] != _SIGNATURE:
            raise BlobError(f"record {name} has no header")
        return self._bytes(
            info.header_offset + _LOCAL_HEADER.size + sum(header[1:]), info.file_size
        )

    def _bytes(self, offset: int, size: int) -> bytearray:
        if not 0 <= offset <= offset + size <= self.length:
            raise BlobError("a record lies outside of its archive")
        content = bytearray(size)
        self.file.seek(self.start + offset)
        with memoryview(content) as rest:
            done = 0
            while done < size:
                # One call reads 2 GiB at most, on Linux.
                count = self.file.readinto(rest[done:])  # type: ignore[attr-defined]
                if not count:
                    raise BlobError("the file is cut off")
                done += count
        return content


class _BlobUnpickler(Unpickler):
    def __init__(self, records: _Records) -> None:
        super().__init__(io.BytesIO(records.read("data.pkl")))
        self.records = records
        self.storages: dict[str, torch.UntypedStorage] = {}

    def persistent_load(self, pid: Any) -> Any:
        """Read the values that a tensor refers to: ("storage", type, key, device, elements)."""
        kind, storage_type, key, _, elements = pid
        if kind != "storage" or type(elements) is not int:
            raise BlobError("values of an unknown kind")
        if key not in self.storages:
            self.storages[key] = _storage(self.records.read(f"data/{key}"))
        untyped = storage_type is torch.storage.UntypedStorage
        dtype = torch.uint8 if untyped else storage_type.dtype
        return torch.storage.TypedStorage(  # type: ignore[no-untyped-call]
            wrap_storage=self.storages[key], dtype=dtype, _internal=True
        )


def _storage(content: bytearray) -> torch.UntypedStorage:
    """Take bytes for the memory of a tensor, which torch can then not enlarge."""
    if not content:
        return torch.UntypedStorage(0)  # type: ignore[no-untyped-call]
    return torch.frombuffer(content, dtype=torch.uint8).untyped_storage()


class _View(io.RawIOBase):
    """Part of a file, as a file: the archive's own table of contents is at its end."""

    def __init__(self, file: BinaryIO, start: int, length: int) -> None:
        self.file, self.start, self.length, self.position = file, start, length, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self.position, io.SEEK_END: self.length}[whence]
        if base + offset < 0:
            raise OSError("seek before the start")  # as files do; zipfile relies on it
        self.position = base + offset
        return self.position

    def tell(self) -> int:
        return self.position

    def readinto(self, buffer: WriteableBuffer) -> int:
        with memoryview(buffer).cast("B") as target:
            self.file.seek(self.start + self.position)
            wanted = min(len(target), max(self.length - self.position, 0))
            content = self.file.read(wanted)
            target[: len(content)] = content
        self.position += len(content)
        return len(content)
