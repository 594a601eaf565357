"""What the tensors of a checkpoint become when their masks are applied for good.

A checkpoint can hold the weights several times: in ``state_dict``, and beside it a live or an
averaged copy (``current_model_state`` of WeightAveraging, ``average_model_state`` of SWA). A mask
that is known by name anywhere holds for all of them.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from pathlib import Path
from typing import Any

from prunetool.checkpoints.layouts import masks_without_partner, partner_of, plain_names
from prunetool.checkpoints.lazy import LazyTensor, as_lazy
from prunetool.checkpoints.masks import Mask, MaskKind, tensor_mask
from prunetool.checkpoints.tensors import NamedTensor
from prunetool.errors import CheckpointError
from prunetool.suggest import did_you_mean

Masks = Mapping[str, list[Mask]]


def fold(
    weights: Mapping[str, Any], masks: Masks, *, path: Path, prefix: str = ""
) -> dict[str, Any]:
    """Bring a ``state_dict`` into the plain model's names, each tensor with all of its masks.

    Args:
        weights: the ``state_dict`` as it is stored.
        masks: further masks by parameter name, beside those stored among ``weights``.
        path: the file, for error messages.
        prefix: what the names in ``weights`` begin with and those in ``masks`` do not.

    Returns:
        By plain name, in the file's order: a NamedTensor for each tensor, any other value
        as it is. A tensor that shares its memory with another has prunetool's masks of that.
    """
    _require_partners(weights, path)
    places = plain_names(weights.keys())
    found: dict[str, list[Mask]] = {}
    tensors: dict[str, LazyTensor] = {}
    for name, place in places.items():
        tensor = as_lazy(weights[place.key])
        if tensor is not None:
            tensors[name] = tensor
            beside = _masks_beside(weights, place.mask_keys, path)
            found[name] = beside + list(masks.get(name.removeprefix(prefix), ()))
    _share_between_tied(tensors, found)
    return {
        name: NamedTensor(name, tensors[name], tuple(found[name]))
        if name in found
        else weights[place.key]
        for name, place in places.items()
    }


def masks_among(weights: Mapping[str, Any], path: Path) -> dict[str, list[Mask]]:
    """Find the masks that are stored beside their tensors, by plain parameter name."""
    places = plain_names(weights.keys())
    beside = {name: _masks_beside(weights, place.mask_keys, path) for name, place in places.items()}
    return {name: masks for name, masks in beside.items() if masks}


def check_masks_have_tensors(masks: Masks, names: Mapping[str, Any], path: Path) -> None:
    """Raise CheckpointError if there is a mask for a tensor that is not there."""
    for name in masks:
        if not isinstance(names.get(name), NamedTensor):
            raise CheckpointError(
                f"{path}: mask of {name}: expected a tensor of that name in state_dict, found none"
                f"{did_you_mean(name, names)}; the file is inconsistent"
            )


def _require_partners(weights: Mapping[str, Any], path: Path) -> None:
    for key in masks_without_partner(weights.keys()):
        raise CheckpointError(
            f"{path}: mask {key}: expected the tensor that it masks, {partner_of(key)}, found "
            "none; the file is inconsistent: if it is no mask, rename it"
        )


def _masks_beside(weights: Mapping[str, Any], keys: Iterable[str], path: Path) -> list[Mask]:
    found = []
    for key in keys:
        stored = as_lazy(weights[key])
        if stored is None:
            raise CheckpointError(
                f"{path}: mask {key}: expected a tensor that can be read, found another object; "
                "the file is inconsistent"
            )
        found.append(tensor_mask(key, stored, path))
    return found


def _share_between_tied(tensors: Mapping[str, LazyTensor], masks: dict[str, list[Mask]]) -> None:
    """Give every name of a tied tensor prunetool's masks of all its names, each once.

    prunetool prunes a tensor, and keeps its mask under one name. torch prunes a parameter of a
    module: another module that has the same one does so with a mask of its own, or with none.
    """
    of_tensor: dict[Hashable, list[Mask]] = {}
    for name, tensor in tensors.items():
        if tensor.elements:
            shared = of_tensor.setdefault(tensor.identity, [])
            shared.extend(it for it in masks[name] if _is_shared(it) and it not in shared)
    for name, tensor in tensors.items():
        if tensor.elements:
            own = [mask for mask in masks[name] if not _is_shared(mask)]
            masks[name] = own + of_tensor[tensor.identity]


def _is_shared(mask: Mask) -> bool:
    return mask.kind is MaskKind.PRUNETOOL
