"""The names that pruned weights have in a ``state_dict``, and the plain names behind them.

==========================  ==============================================================
``fc.weight_orig``,         ``torch.nn.utils.prune``: the weight is their product
``fc.weight_mask``
``fc.parametrizations``     ``torch.nn.utils.parametrize`` with modules that hold nothing
``.weight.original``,       but a mask each
``... .weight.0.mask``
==========================  ==============================================================

A tensor that only looks like one of a pair (``attention_mask``) is left as it is.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

_ORIGINAL_SUFFIX = "_orig"
_MASK_SUFFIX = "_mask"
_PARAMETRIZED = "parametrizations."
_ORIGINAL = ".original"
_MASK_OF_PARAMETRIZATION = re.compile(r"\.\d+\.mask$")
_USUAL = frozenset({"weight", "bias"})  # the parameters of torch's layers


@dataclass(frozen=True)
class Place:
    """Where a tensor is stored: its key, and the keys of the masks that lie beside it."""

    key: str
    mask_keys: tuple[str, ...] = ()


def plain_names(keys: Collection[str]) -> dict[str, Place]:
    """Map every name that the plain model has to where its values are, in the file's order.

    Args:
        keys: all keys of one ``state_dict``; testing for membership should be fast.
    """
    parametrized = _parametrized(keys)
    places: dict[str, Place] = {}
    masks: set[str] = set()
    for key in keys:
        name, mask_keys = _plain_name(key, keys, parametrized)
        places[name] = Place(key, mask_keys)
        masks.update(mask_keys)
    return {name: place for name, place in places.items() if place.key not in masks}


def masks_without_partner(keys: Collection[str]) -> list[str]:
    """Find the masks whose tensor is missing, in the file's order.

    A ``NAME_mask`` with neither ``NAME_orig`` nor ``NAME`` may be anything; it is taken for a mask
    where the file has masks of the same parameter in other layers, and for a layer's weight or
    bias.
    """
    pruned = {
        name.rpartition(".")[2] for name, place in plain_names(keys).items() if place.mask_keys
    }
    return [key for key in keys if _is_without_partner(key, keys, pruned | _USUAL)]


def partner_of(mask_key: str) -> str:
    """Name the tensor that belongs to a mask."""
    stem = _MASK_OF_PARAMETRIZATION.sub("", mask_key)
    if stem != mask_key:
        return stem + _ORIGINAL
    return mask_key.removesuffix(_MASK_SUFFIX) + _ORIGINAL_SUFFIX


def _is_without_partner(key: str, keys: Collection[str], pruned: Collection[str]) -> bool:
    if _PARAMETRIZED in key and _MASK_OF_PARAMETRIZATION.search(key):
        stem = _MASK_OF_PARAMETRIZATION.sub("", key)
        return not any(other.startswith(stem + _ORIGINAL) for other in keys)
    name = key.removesuffix(_MASK_SUFFIX)
    return (
        name != key
        and name.rpartition(".")[2] in pruned
        and name not in keys
        and name + _ORIGINAL_SUFFIX not in keys
    )


def _parametrized(keys: Collection[str]) -> dict[str, set[str]]:
    """Group what belongs to a parametrized tensor, by what its keys begin with."""
    found: dict[str, set[str]] = {}
    for key in keys:
        module, mark, rest = key.rpartition(_PARAMETRIZED)
        if mark and "." in rest:
            found.setdefault(module + mark + rest.partition(".")[0], set()).add(key)
    return found


def _plain_name(
    key: str, keys: Collection[str], parametrized: Mapping[str, Collection[str]]
) -> tuple[str, tuple[str, ...]]:
    if key.endswith(_ORIGINAL_SUFFIX):
        name = key.removesuffix(_ORIGINAL_SUFFIX)
        if name + _MASK_SUFFIX in keys and name not in keys:
            return name, (name + _MASK_SUFFIX,)
    elif key.endswith(_ORIGINAL) and _PARAMETRIZED in key:
        stem = key.removesuffix(_ORIGINAL)
        module, _, parameter = stem.rpartition(_PARAMETRIZED)
        name = module + parameter
        siblings = parametrized.get(stem, ())
        masks = tuple(f"{stem}.{number}.mask" for number in range(len(siblings) - 1))
        if masks and {key, *masks} == set(siblings) and name not in keys:
            return name, masks
    return key, ()
