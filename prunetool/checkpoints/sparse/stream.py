"""A tensor on its way into a file as bits and values."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from prunetool.checkpoints.conversion import Conversion
from prunetool.checkpoints.nonzeros import bits_of
from prunetool.checkpoints.safetensors_files.layout import Entry
from prunetool.checkpoints.sparse.choice import SparseLayout
from prunetool.checkpoints.sparse.masks import spread_mask
from prunetool.checkpoints.sparse.metadata import stored_names
from prunetool.checkpoints.streams import Piece, Stream
from prunetool.pruning.bits import pack_bits


class SparseStream(Stream):
    """A tensor that is written in the layout that was chosen for it."""

    def __init__(self, name: str, conversion: Conversion, layout: SparseLayout) -> None:
        bits, values = stored_names(name)
        self.name = name
        self.conversion = conversion
        self.entries = (
            Entry(bits, torch.uint8, torch.Size([layout.bits_bytes])),
            Entry(values, conversion.dtype, torch.Size([layout.stored])),
        )
        self._layout = layout

    def described(self) -> dict[str, list[int]]:
        """Return both shapes."""
        shape = list(self.conversion.tensor.shape)
        return {"shape": shape, "mask": list(self._layout.mask_shape)}

    def pieces(self) -> Iterator[Piece]:
        """Yield the bits and values; the bits of slices all at once, with the first piece."""
        kept = self._layout.kept
        slices = None if kept is None else pack_bits(kept)
        nothing = torch.empty(0, dtype=torch.uint8)
        start = 0
        for read, converted in self.conversion.pieces():
            whole = bits_of(converted)
            if kept is None:
                stored = whole != 0
                bits = pack_bits(stored)
            else:
                stored = self._stored(kept, start, start + whole.numel())
                bits = nothing if slices is None or start else slices
            values = whole[stored].view(converted.dtype)
            start += whole.numel()
            yield Piece(read, converted, (bits, values))

    def _stored(self, kept: Tensor, start: int, stop: int) -> Tensor:
        shape = self.conversion.tensor.shape
        return spread_mask(kept, self._layout.mask_shape, shape, start, stop)
