"""What the ``.metadata`` file of a sharded folder says, read without building its objects.

torch.distributed.checkpoint writes it as a bare pickle of dataclasses and reads it back with
``pickle.load``. Here all classes in it become stand-ins, and their fields are taken from those;
only sizes and dtypes are built.
"""

from __future__ import annotations

import io
import pickle
from pathlib import Path
from typing import Any

import torch

from prunetool.checkpoints.names import is_printable, shown
from prunetool.checkpoints.sharded.index import Chunk, FolderIndex, KeyPath, Region, TensorEntry
from prunetool.checkpoints.sizes import END, are_sizes, is_shape
from prunetool.checkpoints.torch_files.limits import PICKLE_STEPS
from prunetool.checkpoints.torch_files.reading import first_line
from prunetool.checkpoints.torch_files.standins import Made, Name
from prunetool.checkpoints.torch_files.unpickler import Unpickler
from prunetool.errors import CheckpointError

METADATA = ".metadata"
_LARGEST = 2**28  # bytes of the pickle; a million chunks or more
_BYTES_A_STEP = 10  # about 70 steps describe a chunk, and no chunk takes fewer bytes than 700
_MOST_STEPS = 100_000_000
_LONGEST_WAY = 100  # keys of dicts and lists in each other
_MODULE = "torch.distributed.checkpoint.metadata"
_STORAGE_MODULE = "torch.distributed.checkpoint.filesystem"


class _IndexUnpickler(Unpickler):
    def load(self) -> Any:
        """Read it; what is in each other is of no matter, since nothing here goes through it."""
        return pickle._Unpickler.load(self)


def read_index(folder: Path) -> FolderIndex:
    """Read ``.metadata``; nothing that it names is imported or called.

    Raises:
        CheckpointError: if it is missing, or is something else.
    """
    file = folder / METADATA
    content = _bytes_of(file, folder)
    try:
        return _index(_IndexUnpickler(io.BytesIO(content), steps=_steps(folder)).load())
    except CheckpointError as error:
        raise CheckpointError(f"{folder}: {error}") from None
    except Exception as error:
        # Whatever a damaged or forged pickle makes the unpickler, or its reader, stumble over.
        raise CheckpointError(
            f"{file}: damaged: expected what torch.distributed.checkpoint writes, and reading it "
            f"failed with {type(error).__name__} ({first_line(error)}); copy the folder again"
        ) from error


def _bytes_of(file: Path, folder: Path) -> bytes:
    try:
        if not file.is_file():
            raise CheckpointError(
                f"{folder}: a sharded checkpoint without its index {METADATA}: it was not "
                "finished, or copied without hidden files; copy the whole folder again"
            )
        if file.stat().st_size > _LARGEST:
            raise CheckpointError(f"{file}: larger than {_LARGEST} bytes; copy the folder again")
        return file.read_bytes()
    except OSError as error:
        raise CheckpointError(f"{file}: cannot be read: {error.strerror}; check it") from error


def _steps(folder: Path) -> int:
    """Allow as many steps as the chunks that are there can need, holes in files not counted."""
    stored = sum(512 * file.stat().st_blocks for file in folder.glob("*.distcp"))
    return min(max(PICKLE_STEPS, stored // _BYTES_A_STEP), _MOST_STEPS)


def _index(metadata: Any) -> FolderIndex:
    fields = _fields(metadata, Name(_MODULE, "Metadata"))
    entries = {_key(key): _entry(it) for key, it in fields["state_dict_metadata"].items()}
    paths = {key: _path(it) for key, it in (fields.get("planner_data") or {}).items()}
    regions = {}
    for where, stored in (fields.get("storage_data") or {}).items():
        index = _fields(where, Name(_MODULE, "MetadataIndex"))
        offsets = index.get("offset")
        regions[index["fqn"], None if offsets is None else _integers(offsets)] = _region(stored)
    known = {key: path for key, path in paths.items() if key in entries}
    return FolderIndex(
        entries, known | {key: (key,) for key in entries if key not in known}, regions
    )


def _entry(value: Any) -> TensorEntry | None:
    if _is_of(value, Name(_MODULE, "BytesStorageMetadata")):
        return None
    fields = _fields(value, Name(_MODULE, "TensorStorageMetadata"))
    dtype, layout, *_ = _state(fields["properties"], Name(_MODULE, "TensorProperties"))
    if not isinstance(dtype, torch.dtype):
        raise TypeError(f"expected a dtype, found {_kind(dtype)}")
    if not isinstance(layout, Made) or layout.parts[1] != ("torch.strided",):
        raise TypeError("expected a strided tensor, found another layout")
    chunks = tuple(_chunk(chunk) for chunk in fields["chunks"])
    shape = _integers(fields["size"])
    if not is_shape(shape):
        raise ValueError(f"a tensor of the shape {shown(list(shape))}")
    return TensorEntry(dtype, torch.Size(shape), chunks)


def _chunk(value: Any) -> Chunk:
    fields = _fields(value, Name(_MODULE, "ChunkStorageMetadata"))
    return Chunk(_integers(fields["offsets"]), _integers(fields["sizes"]))


def _region(value: Any) -> Region:
    fields = _fields(value, Name(_STORAGE_MODULE, "_StorageInfo"))
    file, start, length = (fields[key] for key in ("relative_path", "offset", "length"))
    if not isinstance(file, str):
        raise TypeError(f"expected the name of a file, found {_kind(file)}")
    if fields.get("transform_descriptors"):
        raise CheckpointError(
            f"{file[:99]!r}: compressed or transformed by an extension, which is not supported; "
            "save the checkpoint without extensions"
        )
    return Region(file, *_integers((start, length)))


def _key(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"expected a key, found {_kind(value)}")
    if not is_printable(value):
        raise ValueError(f"a key that cannot be printed, {shown(value)}")
    return value


def _path(value: Any) -> KeyPath:
    path = tuple(value)
    if not path or not all(type(key) in (str, int) for key in path):
        raise TypeError(f"expected the keys on a way, found {_kind(value)}")
    if len(path) > _LONGEST_WAY or any(isinstance(key, int) and abs(key) >= END for key in path):
        raise ValueError(f"a way of {len(path)} keys")
    for key in path:
        if isinstance(key, str):
            _key(key)
    return path


def _integers(values: Any) -> tuple[int, ...]:
    numbers = tuple(values)
    if not are_sizes(numbers):
        raise ValueError("expected sizes or offsets, whole numbers from 0 on")
    return numbers


def _is_of(value: Any, cls: Name) -> bool:
    return isinstance(value, Made) and value.opcode == pickle.NEWOBJ and value.parts[0] == cls


def _state(value: Any, cls: Name) -> Any:
    """Return what the pickle gives to an object of ``cls`` as its state."""
    if not _is_of(value, cls) or [opcode for opcode, _ in value.steps] != [pickle.BUILD]:
        raise TypeError(f"expected a {cls.qualname}, found {_kind(value)}")
    return value.steps[0][1][0]


def _fields(value: Any, cls: Name) -> dict[str, Any]:
    state = _state(value, cls)
    if not isinstance(state, dict):
        raise TypeError(f"expected the fields of a {cls.qualname}, found {_kind(state)}")
    return state


def _kind(value: object) -> str:
    """Name the kind of a value; not the value, whose text may be without end."""
    if isinstance(value, Made) and isinstance(value.parts[0], Name):
        return f"an object of {value.parts[0]}"
    return f"a {type(value).__name__}"
