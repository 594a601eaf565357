"""The layout of ``torch.nn.utils.prune``: ``NAME_orig`` and ``NAME_mask`` instead of ``NAME``.

During a fit prunetool leaves parameters where they are. This file turns the layout into plain
parameters with masks (before a fit, and while a checkpoint loads) and back (in the checkpoints and
at the end of a fit that keeps its masks).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.prune import BasePruningMethod, custom_from_mask

from prunetool.pruning.targets import Site

ORIGINAL, MASK = "_orig", "_mask"


@dataclass
class Found:
    """Masks and what lies under them, found before the engine can take them.

    Attributes:
        masks: bool tensors by parameter name, True where kept.
        originals: the whole tensors, pruned values included.
    """

    masks: dict[str, Tensor] = field(default_factory=dict)
    originals: dict[str, Tensor] = field(default_factory=dict)


def absorb(model: nn.Module, found: Found) -> None:
    """Make plain parameters of all that ``torch.nn.utils.prune`` reparametrised in ``model``."""
    for prefix, module in model.named_modules():
        for key, hook in list(module._forward_pre_hooks.items()):
            if isinstance(hook, BasePruningMethod):
                del module._forward_pre_hooks[key]
                name = hook._tensor_name
                full = f"{prefix}.{name}" if prefix else name
                mask, original = _restore_plain(module, name)
                found.masks[full] = mask != 0
                found.originals[full] = original.detach().clone()
                with torch.no_grad():
                    original.masked_fill_(mask == 0, 0)


def _restore_plain(module: nn.Module, name: str) -> tuple[Tensor, nn.Parameter]:
    original = module._parameters[name + ORIGINAL]
    mask = module._buffers.pop(name + MASK)
    assert original is not None
    assert mask is not None
    module.__dict__.pop(name, None)  # the product that the hook computed
    _rename_parameter(module, name + ORIGINAL, name)
    if name == "weight":
        # torch moves what it reparametrises to the end: behind the bias, which comes after
        # the weight in every layer. reparametrise() below leaves parameters in their places.
        _move_before(module, "weight", ("bias", "bias" + ORIGINAL))
    setattr(module, name, original)  # recurrent layers keep their weights in a list beside
    return mask, original


def _rename_parameter(module: nn.Module, old: str, new: str) -> None:
    """Rename a parameter without moving it: optimizers and averages go by the order."""
    renamed = {new if key == old else key: value for key, value in module._parameters.items()}
    module._parameters.clear()
    module._parameters.update(renamed)


def _move_before(module: nn.Module, name: str, others: tuple[str, ...]) -> None:
    keys = list(module._parameters)
    first = next((i for i, key in enumerate(keys) if key in others), None)
    if first is None or keys.index(name) < first:
        return
    keys.insert(first, keys.pop(keys.index(name)))
    ordered = {key: module._parameters[key] for key in keys}
    module._parameters.clear()
    module._parameters.update(ordered)


def fold_while_loading(found: Found) -> Callable[..., None]:
    """Make a hook for ``register_load_state_dict_pre_hook`` that folds the layout as it loads.

    A plain function with a closure, so that copying a module copies no callback with it.
    """

    def fold(module: nn.Module, state_dict: dict[str, Any], prefix: str, *_ignored: object) -> None:
        plain = {prefix + name for name, _ in module.named_parameters(remove_duplicate=False)}
        for name in plain:
            original, mask = state_dict.get(name + ORIGINAL), state_dict.get(name + MASK)
            # A buffer of the user's that happens to be called something_mask has no partner.
            if original is None or mask is None or name in state_dict:
                continue
            del state_dict[name + ORIGINAL], state_dict[name + MASK]
            state_dict[name] = torch.where(mask != 0, original, torch.zeros_like(original))
            found.masks[name.removeprefix(prefix)] = mask != 0
            found.originals[name.removeprefix(prefix)] = original.detach().clone()
        _unfold_plain(plain, state_dict)

    return fold


def _unfold_plain(parameters: set[str], state_dict: dict[str, Any]) -> None:
    """Fit plain weights to a module that kept its masks, as weights-only checkpoints hold them."""
    for name in parameters:
        stem = name.removesuffix(ORIGINAL)
        if stem != name and name not in state_dict and stem in state_dict:
            state_dict[name] = state_dict.pop(stem)
            state_dict[stem + MASK] = (state_dict[name] != 0).to(state_dict[name].dtype)


def unfolded(
    state_dict: Mapping[str, Tensor],
    kept: Mapping[str, Tensor],
    original: Callable[[str, Tensor], Tensor],
) -> dict[str, Tensor]:
    """Write a plain state dict in the layout.

    Args:
        state_dict: as the module gives it; not changed.
        kept: masks by the key of the tensor, True where kept.
        original: gives the whole tensor for a key and its masked tensor.
    """
    out: dict[str, Tensor] = {}
    for key, tensor in state_dict.items():
        if key in kept:
            whole = original(key, tensor)
            out[key + ORIGINAL] = whole
            out[key + MASK] = kept[key].to(dtype=whole.dtype)
        else:
            out[key] = tensor
    return out


def reparametrise(site: Site, kept: Tensor) -> None:
    """Give a module torch's own reparametrisation, so that torch's tools go on from it."""
    module, name = site
    parameter = getattr(module, name)
    before = list(module._parameters)
    custom_from_mask(module, name, mask=kept.to(parameter))  # type: ignore[no-untyped-call]
    in_place = [key + ORIGINAL if key == name else key for key in before]
    ordered = {key: module._parameters[key] for key in in_place}
    module._parameters.clear()
    module._parameters.update(ordered)
