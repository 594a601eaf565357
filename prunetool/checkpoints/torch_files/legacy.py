"""torch's format before 1.6, which ``_use_new_zipfile_serialization=False`` still writes.

One pickle after the other (a magic number, a version, the machine's sizes, the object, the keys of
its storages), and then the storages: for each the number of its elements, and these.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Mapping
from typing import Any

from prunetool.checkpoints.byte_source import ByteSource
from prunetool.checkpoints.sizes import is_size
from prunetool.checkpoints.torch_files.archive import Archive, storage_fields
from prunetool.checkpoints.torch_files.limits import PICKLE_BYTES, RefusedError
from prunetool.checkpoints.torch_files.standins import Name
from prunetool.checkpoints.torch_files.storages import Storage, stored_dtype
from prunetool.checkpoints.torch_files.unpickler import Unpickler
from prunetool.checkpoints.torch_files.zip_records import ArchiveError, CutOffError

MAGIC = 0x1950A86A20F9469CFC6C  # the first value of the file
_VERSION = 1001
_OLDEST_PROTOCOL = 2
_COUNT_BYTES = 8  # in front of the elements of a storage
_BUFFER = 2**16


def read_legacy(source: ByteSource) -> Archive:
    """Read a file in the old format; nothing in it is run.

    Raises:
        ArchiveError: if it is not one, or cut off.
        Exception: whatever a damaged or forged pickle makes the unpickler stumble over.
    """
    with io.BufferedReader(_Pickles(source), _BUFFER) as file:
        start = file.peek(2)[:2]
        if Unpickler(file).load() != MAGIC or Unpickler(file).load() != _VERSION:
            raise ArchiveError("a pickle that torch.save did not write")
        machine = Unpickler(file).load()
        if not isinstance(machine, Mapping) or machine.get("little_endian") is not True:
            raise ArchiveError("its values are not in the byte order of this machine, little")
        storages = _Storages(source)
        content = Unpickler(file, storages.find).load()
        storages.place(Unpickler(file).load(), file.tell())
    protocol = start[1] if start[:1] == pickle.PROTO else 0
    return Archive(content, max(protocol, _OLDEST_PROTOCOL))


class _Storages:
    """What the tensors refer to; where that lies is known only when the object was read."""

    def __init__(self, source: ByteSource) -> None:
        self._source = source
        self._roots: dict[str, Storage] = {}
        self._views: dict[str, tuple[Storage, Storage, int]] = {}  # a part of a storage

    def find(self, pid: Any) -> Storage | Name:
        """Return what ("storage", class, key, device, elements, part) refers to."""
        if isinstance(pid, tuple) and len(pid) == 4 and pid[0] == "module":
            if isinstance(pid[1], Name):
                return pid[1]  # a class whose source code stands beside it
            raise ArchiveError("a module of an unknown kind")
        kind, key, elements = storage_fields(pid, 6)
        dtype = stored_dtype(kind)
        assert dtype is not None
        nbytes = elements * dtype.itemsize
        if nbytes > self._source.size:
            raise CutOffError(f"{nbytes} bytes of values {key[:99]!r} wanted, fewer there")
        root = self._roots.setdefault(key, Storage(self._source, None, nbytes, kind))
        if (root.kind, root.nbytes) != (kind, nbytes):
            raise ArchiveError(f"values {key[:99]!r} of two kinds")
        return root if pid[5] is None else self._part(root, pid[5], dtype.itemsize)

    def _part(self, root: Storage, part: Any, itemsize: int) -> Storage:
        if not (isinstance(part, tuple) and len(part) == 3 and isinstance(part[0], str)):
            raise ArchiveError("part of a storage of an unknown kind")
        key, offset, elements = part
        if not (is_size(offset) and is_size(elements)):
            raise ArchiveError("part of a storage without a size")
        if (offset + elements) * itemsize > root.nbytes:
            raise ArchiveError("part of a storage outside of it")
        if key not in self._views:
            view = Storage(self._source, None, elements * itemsize, root.kind)
            self._views[key] = view, root, offset * itemsize
        return self._views[key][0]

    def place(self, keys: Any, at: int) -> None:
        """Go through the storages in the order of ``keys``; the first begins at byte ``at``."""
        if not isinstance(keys, list) or set(map(repr, keys)) != set(map(repr, self._roots)):
            raise ArchiveError("values for other tensors than it has")
        for key in keys:
            root = self._roots[key]
            dtype = stored_dtype(root.kind)
            assert dtype is not None
            count = int.from_bytes(self._source.read(at, _COUNT_BYTES), "little")
            if count * dtype.itemsize != root.nbytes:
                raise ArchiveError(f"values of another size than the {root.nbytes} bytes wanted")
            root.start = at + _COUNT_BYTES
            at = root.start + root.nbytes
            if at > self._source.size:
                raise CutOffError("the values of its last tensors are missing")
        for view, root, offset in self._views.values():
            assert root.start is not None
            view.start = root.start + offset


class _Pickles(io.RawIOBase):
    """The start of a file; a pickle that reads on and on is refused."""

    def __init__(self, source: ByteSource) -> None:
        self._source = source
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._source.size}
        self._position = base[whence] + offset
        return self._position

    def tell(self) -> int:
        return self._position

    def readinto(self, buffer: Any) -> int:
        with memoryview(buffer).cast("B") as target:
            count = min(len(target), max(self._source.size - self._position, 0))
            if self._position + count > PICKLE_BYTES:
                raise RefusedError(f"a pickle of more than {PICKLE_BYTES} bytes")
            target[:count] = self._source.read(self._position, count)
        self._position += count
        return count
