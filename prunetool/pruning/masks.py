"""The masks: which elements of which parameters are pruned.

A :class:`MaskSet` holds, applies, packs and counts. It knows names and tensors, nothing of
modules; a tensor that several modules share is one entry under its first name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from prunetool.pruning.bits import pack_bits, unpack_bits


class MaskSet:
    """One mask a parameter, one byte an element, on the parameter's device.

    Masks only grow: :meth:`prune` adds to what is pruned and nothing here takes away.
    """

    def __init__(self) -> None:
        # True where *pruned*: the form that masked_fill_ takes, so that no step has to invert.
        self._pruned: dict[str, Tensor] = {}
        self._counts: dict[str, int] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._pruned

    def __iter__(self) -> Iterator[str]:
        return iter(self._pruned)

    def __len__(self) -> int:
        return len(self._pruned)

    def add(self, name: str, parameter: Tensor) -> None:
        """Make sure that ``name`` has a mask like ``parameter``: its shape, device and layout.

        Raises:
            ValueError: if there is one already and its shape differs.
        """
        known = self._pruned.get(name)
        if known is None:
            self._pruned[name] = torch.zeros_like(parameter, dtype=torch.bool, requires_grad=False)
            self._counts[name] = 0
            return
        if known.shape != parameter.shape:
            raise ValueError(
                f"{name}: the mask has shape {tuple(known.shape)}, "
                f"the parameter {tuple(parameter.shape)}"
            )
        placed = torch.zeros_like(parameter, dtype=torch.bool, requires_grad=False)
        self._pruned[name] = placed.copy_(known)

    def prune(self, name: str, where: Tensor) -> None:
        """Prune the elements of ``name`` that are True in ``where``, beside those that are."""
        pruned = self._pruned[name]
        pruned |= where.to(pruned.device)
        self._counts[name] = int(pruned.sum())

    def pruned(self, name: str) -> Tensor:
        """Give the bool tensor that is True where ``name`` is pruned. Do not change it."""
        return self._pruned[name]

    def kept(self, name: str) -> Tensor:
        """Give the mask of ``name`` as the field writes it: True where an element is kept."""
        return ~self._pruned[name]

    def count(self, name: str) -> int:
        """Count the pruned elements of ``name``."""
        return self._counts[name]

    def zero_(self, name: str, tensor: Tensor) -> None:
        """Set the pruned elements of ``tensor``, which has the shape of ``name``, to zero in place.

        NaN and infinities become zero too, which a product with the mask would not do.
        """
        if self._counts[name]:
            with torch.no_grad():
                tensor.masked_fill_(self._pruned[name].to(tensor.device), 0)

    def packed(self) -> dict[str, dict[str, Any]]:
        """Pack every mask into one bit an element, for a checkpoint: ``{name: {shape, bits}}``."""
        return {
            name: {"shape": list(pruned.shape), "bits": pack_bits(~pruned)}
            for name, pruned in self._pruned.items()
        }


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
