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
    original = module._parameters.pop(name + ORIGINAL)
    mask = module._buffers.pop(name + MASK)
    assert original is not None
    assert mask is not None
    module.__dict__.pop(name, None)  # the product that the hook computed
    # torch moved the parameter to the end when it renamed it; weights come first in its modules.
    others = dict(module._parameters)
    module._parameters.clear()
    module._parameters[name] = original
    module._parameters.update(others)
    return mask, original


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

    return fold


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
    custom_from_mask(module, name, mask=kept.to(parameter))  # type: ignore[no-untyped-call]
