"""The masks: which elements of which parameters are pruned.

A :class:`MaskSet` holds, applies, packs and counts. It knows names and tensors, nothing of
modules; a tensor that several modules share is one entry under its first name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from prunetool.pruning import ranks
from prunetool.pruning.bits import pack_bits, unpack_bits
from prunetool.pruning.shards import Shard, local, shard_of
from prunetool.pruning.zeroing import (
    WORDS,
    fits_words,
    raise_by_words_,
    words_of,
    zero_by_bits_,
    zero_by_words_,
)


class MaskSet:
    """One mask a parameter, on the parameter's device: one byte an element.

    A CPU parameter that is masked at every step has its mask in words as wide as its elements
    instead (four bytes for float32): see :mod:`prunetool.pruning.zeroing`. What is asked of the
    set and what it answers is the same in either form.

    :meth:`prune` adds to what is pruned; only :meth:`put` can take away.

    Of a parameter that is spread over processes (DTensor) each holds the mask of its own part.
    Counts are those of all of them: :meth:`prune` and :meth:`put` are then collectives.
    """

    def __init__(self) -> None:
        # bool, True where *pruned* (the form that masked_fill_ takes), or words, 0 where pruned.
        self._held: dict[str, Tensor] = {}
        self._counts: dict[str, int] = {}
        self._shards: dict[str, Shard | None] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._held

    def __iter__(self) -> Iterator[str]:
        return iter(self._held)

    def __len__(self) -> int:
        return len(self._held)

    def add(self, name: str, parameter: Tensor) -> None:
        """Make sure that ``name`` has a mask like ``parameter``: its shape, device and layout.

        Raises:
            ValueError: if there is one already and its shape differs.
        """
        part = local(parameter)
        known = self._held.get(name)
        if known is not None and known.shape != part.shape:
            raise ValueError(
                f"{name}: the mask has shape {tuple(known.shape)}, "
                f"the parameter {tuple(part.shape)}"
            )
        placed = torch.zeros_like(part, dtype=torch.bool, requires_grad=False)
        self._held[name] = placed if known is None else placed.copy_(self.pruned(name))
        self._counts.setdefault(name, 0)
        self._shards[name] = shard_of(parameter)

    def prune(self, name: str, where: Tensor) -> None:
        """Prune the elements of ``name`` that are True in ``where``, beside those that are."""
        pruned = self.pruned(name)
        pruned |= where.to(pruned.device)
        self._held[name] = pruned
        self._counts[name] = self._counted(name, pruned)

    def put(self, name: str, pruned: Tensor) -> None:
        """Make ``pruned``, bool and of the same shape, the mask of ``name``: True if pruned."""
        held = self._held[name]
        self._counts[name] = self._counted(name, pruned)
        if pruned.device == held.device and pruned.stride() == held.stride():
            self._held[name] = pruned
        else:
            self._held[name] = torch.empty_like(held, dtype=torch.bool).copy_(pruned)

    def pruned(self, name: str) -> Tensor:
        """Give the bool tensor that is True where ``name`` is pruned. Do not change it."""
        held = self._held[name]
        return held if held.dtype == torch.bool else held == 0

    def kept(self, name: str) -> Tensor:
        """Give the mask of ``name`` as the field writes it: True where an element is kept."""
        held = self._held[name]
        return ~held if held.dtype == torch.bool else held != 0

    def count(self, name: str) -> int:
        """Give the number of pruned elements of ``name``, those of other processes included."""
        return self._counts[name]

    def whole(self, name: str) -> Tensor:
        """Give the mask of all of ``name``, True where kept; a collective if it is sharded."""
        shard = self._shards[name]
        return self.kept(name) if shard is None else shard.whole(self.kept(name))

    def part(self, name: str, whole: Tensor) -> Tensor:
        """Cut out of a tensor of the whole shape the part to which the mask of ``name`` belongs."""
        shard = self._shards[name]
        return whole if shard is None else shard.part(whole)

    def shape(self, name: str) -> torch.Size:
        """Give the shape of the whole tensor."""
        shard = self._shards[name]
        return self._held[name].shape if shard is None else shard.shape

    def bytes_held(self, name: str) -> int:
        """Give the bytes that the mask of ``name`` takes as it is held now."""
        return self._held[name].nbytes

    def zero_(self, name: str, tensor: Tensor, *, every_step: bool = False) -> None:
        """Set the pruned elements of ``tensor``, which has the shape of ``name``, to zero in place.

        NaN and infinities become zero too, which a product with the mask would not do.

        Args:
            name: of the mask.
            tensor: of any dtype, device and layout; gradients may be sparse.
            every_step: the same is asked at every step of a training: hold the mask in the form
                that is fastest for ``tensor``, at the price of its memory.
        """
        if not self._counts[name]:
            return
        tensor, held = local(tensor), self._held[name]
        if every_step and held.dtype == torch.bool and fits_words(tensor, held.device):
            held = self._held[name] = words_of(held, tensor)
        with torch.no_grad():
            if self._has_words_for(name, tensor):
                zero_by_words_(tensor, held)
            else:
                zero_by_bits_(tensor, self.pruned(name))

    def raise_zeros_(self, name: str, tensor: Tensor, value: float) -> None:
        """Set the pruned elements of ``tensor``, all of which are +0.0, to ``value`` in place.

        Only while the mask is held in words as wide as the elements of ``tensor``; otherwise
        nothing happens.
        """
        tensor = local(tensor)
        if self._has_words_for(name, tensor):
            raise_by_words_(tensor, self._held[name], value)

    def in_words(self, name: str) -> bool:
        """Whether the mask of ``name`` is held in words, since it is used at every step."""
        return self._held[name].dtype != torch.bool

    def _has_words_for(self, name: str, tensor: Tensor) -> bool:
        held = self._held[name]
        return fits_words(tensor, held.device) and held.dtype == WORDS[tensor.element_size()]

    def packed(self) -> dict[str, dict[str, Any]]:
        """Pack every mask into one bit an element, for a checkpoint: ``{name: {shape, bits}}``.

        A collective where masks are sharded: what is packed is whole, one after the other.
        """
        return {
            name: {"shape": list(self.shape(name)), "bits": pack_bits(self.whole(name))}
            for name in self._held
        }

    def _counted(self, name: str, pruned: Tensor) -> int:
        shard, count = self._shards[name], pruned.count_nonzero()
        if shard is not None:
            count = ranks.total(count * int(shard.counted), shard.device)
        return int(count)


def unpacked(packed: Mapping[str, Mapping[str, Any]]) -> dict[str, Tensor]:
    """Undo :meth:`MaskSet.packed`: bool tensors by name, True where kept, on the CPU.

    Raises:
        ValueError: naming the entry whose bits do not fit its shape.
    """
    masks = {}
    for name, entry in packed.items():
        try:
            masks[name] = unpack_bits(entry["bits"], entry["shape"])
        except ValueError as error:
            raise ValueError(f"mask of {name}: {error}") from error
    return masks
