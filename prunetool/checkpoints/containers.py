"""Which kind of file this is, by its first bytes and never by its name."""

from __future__ import annotations

import enum
import string
from pathlib import Path

_LONGEST_SAFETENSORS_HEADER = 100_000_000  # bytes; the format's own limit
_SNIFFED_BYTES = 512


class Container(enum.Enum):
    """A kind of file; the value says it in an error message."""

    EMPTY = "an empty file"
    TORCH_ZIP = "a zip archive"
    LEGACY_TORCH = "a pickle without an archive, as torch before 1.6 wrote"
    SAFETENSORS = "a safetensors file"
    HTML = "an HTML page"
    TEXT = "a text file"
    UNKNOWN = "a file of an unknown format"


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
        return Container.TORCH_ZIP
    if start.startswith(b"\x80") and start[1] <= 5:
        return Container.LEGACY_TORCH
    if start[8:9] == b"{" and int.from_bytes(start[:8], "little") <= _LONGEST_SAFETENSORS_HEADER:
        return Container.SAFETENSORS
    if start.lstrip().lower().startswith((b"<!doctype", b"<html", b"<?xml")):
        return Container.HTML
    return Container.TEXT if _is_text(start) else Container.UNKNOWN


def _is_text(start: bytes) -> bool:
    decoded = start.decode("utf-8", errors="ignore")
    return len(decoded) > len(start) - 4 and all(
        character in string.whitespace or character.isprintable() for character in decoded
    )
