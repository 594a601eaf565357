"""Tensors on their way into a file: what is written, piece by piece."""

from __future__ import annotations

import abc
from collections.abc import Iterator
from dataclasses import dataclass

from torch import Tensor

from prunetool.checkpoints.conversion import Conversion
from prunetool.checkpoints.safetensors_files.layout import Entry


@dataclass(frozen=True)
class Piece:
    """A part of a tensor.

    Attributes:
        read: the values as they came from the input.
        dense: these, converted.
        stored: what is to be appended to each entry of the stream; one-dimensional tensors.
    """

    read: Tensor
    dense: Tensor
    stored: tuple[Tensor, ...]


class Stream(abc.ABC):
    """A tensor to be written, as one entry or several that belong into one file.

    Attributes:
        name: its name in the new file.
        conversion: where its values are from.
        entries: what the header says of it.
    """

    name: str
    conversion: Conversion
    entries: tuple[Entry, ...]

    @property
    def nbytes(self) -> int:
        """Bytes that all entries take."""
        return sum(entry.nbytes for entry in self.entries)

    def described(self) -> dict[str, list[int]] | None:
        """Return what a sparse file's metadata says of it; None for a dense tensor."""
        return None

    @abc.abstractmethod
    def pieces(self) -> Iterator[Piece]:
        """Yield the whole tensor, in order.

        Raises:
            OptionError: if values do not fit the dtype that was asked for.
            CheckpointError: if the tensor cannot be read.
        """


class DenseStream(Stream):
    """A tensor that is written as it is."""

    def __init__(self, name: str, conversion: Conversion) -> None:
        self.name = name
        self.conversion = conversion
        self.entries = (Entry(name, conversion.dtype, conversion.tensor.shape),)

    def pieces(self) -> Iterator[Piece]:
        """Yield all values."""
        for read, converted in self.conversion.pieces():
            yield Piece(read, converted, (converted,))
