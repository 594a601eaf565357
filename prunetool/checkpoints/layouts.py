"""The names that pruned weights have in a ``state_dict``, and the plain names behind them.

==========================  ==============================================================
``fc.weight_orig``,         ``torch.nn.utils.prune``: the weight is their product
``fc.weight_mask``
``fc.parametrizations``     ``torch.nn.utils.parametrize`` with one module that holds nothing
``.weight.original``,       but a mask (torch's sparsifiers)
``... .weight.0.mask``
==========================  ==============================================================

A tensor that only looks like one of a pair (``attention_mask``) is left as it is.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

_ORIGINAL_SUFFIX = "_orig"
_MASK_SUFFIX = "_mask"
_PARAMETRIZED = "parametrizations."
_ORIGINAL = ".original"
_FIRST_MASK = ".0.mask"


@dataclass(frozen=True)
class Place:
    """Where a tensor is stored: its key, and the key of its mask if one lies beside it."""

    key: str
    mask_key: str | None = None


def plain_names(keys: Collection[str]) -> dict[str, Place]:
    """Map every name that the plain model has to where its values are, in the file's order.

    Args:
        keys: all keys of one ``state_dict``; testing for membership should be fast.
    """
    places: dict[str, Place] = {}
    masks = set()
    for key in keys:
        name, mask_key = _plain_name(key, keys)
        places[name] = Place(key, mask_key)
        if mask_key is not None:
            masks.add(mask_key)
    return {name: place for name, place in places.items() if place.key not in masks}


def _plain_name(key: str, keys: Collection[str]) -> tuple[str, str | None]:
    if key.endswith(_ORIGINAL_SUFFIX):
        name = key.removesuffix(_ORIGINAL_SUFFIX)
        if name + _MASK_SUFFIX in keys and name not in keys:
            return name, name + _MASK_SUFFIX
    elif key.endswith(_ORIGINAL) and _PARAMETRIZED in key:
        stem = key.removesuffix(_ORIGINAL)
        module, _, parameter = stem.rpartition(_PARAMETRIZED)
        name, mask_key = module + parameter, stem + _FIRST_MASK
        siblings = {other for other in keys if other.startswith(f"{stem}.")}
        if siblings == {key, mask_key} and name not in keys:
            return name, mask_key
    return key, None
