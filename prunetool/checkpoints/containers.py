"""Which kind of file this is, by its first bytes and never by its name."""

from __future__ import annotations

import enum
import string
from pathlib import Path

from prunetool.checkpoints.safetensors_files.reading import LONGEST_HEADER
from prunetool.checkpoints.torch_files.legacy import MAGIC

_SNIFFED_BYTES = 512
_NAME_IN_ZIP = 30  # where the name of the first record begins
_TAR_MARK = slice(257, 262)


class Container(enum.Enum):
    """A kind of file; the value says it in an error message."""

    EMPTY = "an empty file"
    TORCH_ZIP = "a zip archive"
    LEGACY_TORCH = "a torch file of the format before 1.6"
    SAFETENSORS = "a safetensors file"
    JSON = "a JSON file"
    SHARDED_INDEX = "the index of a sharded folder"
    PICKLE = "a pickle that torch.save did not write"
    LFS_POINTER = "a Git LFS pointer in place of the file"
    TAR = "a tar archive"
    COMPRESSED = "a compressed file or archive"
    NUMPY = "a numpy file"
    HDF5 = "an HDF5 file, as Keras writes"
    KERAS = "a Keras archive"
    ONNX = "an ONNX model"
    GGUF = "a GGUF file, as llama.cpp uses"
    TFLITE = "a TensorFlow Lite model"
    DOCUMENT = "an office document or another zip archive"
    HTML = "an HTML page"
    TEXT = "a text file"
    UNKNOWN = "a file of an unknown format"

    @property
    def advice(self) -> str:
        """What to do with it, where prunetool cannot read it."""
        return _ADVICE.get(self, "check the path")


_SAVE_TENSORS = "load it in Python and save its tensors with torch.save or safetensors"
_ADVICE = {
    Container.EMPTY: "download or copy it again",
    Container.HTML: "download or copy it again",
    Container.TEXT: "download or copy it again",
    Container.LFS_POINTER: "run 'git lfs pull' where it was cloned, or download the file itself",
    Container.SHARDED_INDEX: "give the folder that it is in",
    Container.PICKLE: f"nothing in it was run: {_SAVE_TENSORS}",
    Container.TAR: f"unpack it; if torch 0.1 wrote it, {_SAVE_TENSORS}",
    Container.COMPRESSED: "unpack it first",
    Container.NUMPY: _SAVE_TENSORS,
    Container.HDF5: _SAVE_TENSORS,
    Container.KERAS: _SAVE_TENSORS,
    Container.ONNX: "give the checkpoint that it was exported from",
    Container.GGUF: "give the checkpoint that it was converted from",
    Container.TFLITE: "give the checkpoint that it was converted from",
}
_STARTS = {
    b"version https://git-lfs": Container.LFS_POINTER,
    b"\x1f\x8b": Container.COMPRESSED,
    b"\x28\xb5\x2f\xfd": Container.COMPRESSED,
    b"BZh": Container.COMPRESSED,
    b"\xfd7zXZ\0": Container.COMPRESSED,
    b"7z\xbc\xaf\x27\x1c": Container.COMPRESSED,
    b"Rar!\x1a\x07": Container.COMPRESSED,
    b"\x04\x22\x4d\x18": Container.COMPRESSED,
    b"\x93NUMPY": Container.NUMPY,
    b"\x89HDF\r\n\x1a\n": Container.HDF5,
    b"GGUF": Container.GGUF,
}
_TEXT_PICKLES = (b"(dp", b"(lp", b"}q", b"]q", b"(dq", b"c__builtin__\n", b"ccopy_reg\n", b"cos\n")


def container_of(path: Path) -> Container:
    """Tell the kind of a file from its first bytes.

    Raises:
        OSError: if the file cannot be read.
    """
    with path.open("rb") as file:
        start = file.read(_SNIFFED_BYTES)
    if not start:
        return Container.EMPTY
    if start.startswith(b"PK"):
        return _kind_of_zip(start)
    if start[8:9] == b"{" and int.from_bytes(start[:8], "little") <= LONGEST_HEADER:
        return Container.SAFETENSORS
    for mark, container in _STARTS.items():
        if start.startswith(mark):
            return container
    if start[_TAR_MARK] == b"ustar":
        return Container.TAR
    if start[4:8] == b"TFL3":
        return Container.TFLITE
    return _kind_of_pickle(start) or _kind_of_text(start) or _onnx(start) or Container.UNKNOWN


def _kind_of_zip(start: bytes) -> Container:
    """Tell from the first record in it; torch writes FOLDER/data.pkl first."""
    length = int.from_bytes(start[26:28], "little")
    name = start[_NAME_IN_ZIP : _NAME_IN_ZIP + length]
    if name.endswith(b".npy"):
        return Container.NUMPY
    if name in (b"metadata.json", b"config.json", b"model.weights.h5"):
        return Container.KERAS
    return Container.DOCUMENT if name.endswith((b".xml", b"mimetype")) else Container.TORCH_ZIP


def _kind_of_pickle(start: bytes) -> Container | None:
    magic = MAGIC.to_bytes(10, "little")
    if start.startswith(b"L%dL\n" % MAGIC):  # protocols 0 and 1
        return Container.LEGACY_TORCH
    if start[:1] == b"\x80" and start[1:2] <= b"\x05":
        if start[2:14] == b"\x8a\x0a" + magic or start[11:23] == b"\x8a\x0a" + magic:
            return Container.LEGACY_TORCH
        is_index = b"torch.distributed.checkpoint.metadata" in start
        return Container.SHARDED_INDEX if is_index else Container.PICKLE
    return Container.PICKLE if start.startswith(_TEXT_PICKLES) else None


def _kind_of_text(start: bytes) -> Container | None:
    if start.lstrip().lower().startswith((b"<!doctype", b"<html", b"<?xml")):
        return Container.HTML
    if not _is_text(start):
        return None
    return Container.JSON if start.lstrip().startswith(b"{") else Container.TEXT


def _is_text(start: bytes) -> bool:
    decoded = start.decode("utf-8", errors="ignore")
    return len(decoded.encode()) > len(start) - 4 and all(
        character in string.whitespace or character.isprintable() for character in decoded
    )


def _onnx(start: bytes) -> Container | None:
    """Recognise a protobuf that begins with a small version and the name of a producer."""
    if len(start) < 8 or start[0] != 0x08 or not 0 < start[1] < 32 or start[2] != 0x12:
        return None
    producer = start[4 : 4 + start[3]]
    return Container.ONNX if producer.isascii() and producer.decode().isprintable() else None
