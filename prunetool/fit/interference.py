"""What besides the optimizer may change gradients or weights behind the masks' back."""

from __future__ import annotations

from collections import Counter
from typing import Any

from torch import nn

_TRUSTED = ("lightning", "pytorch_lightning", "prunetool")


def may_change_gradients(trainer: Any, model: Any, leader: object) -> bool:
    """Whether the user's code sees gradients between ``leader``'s hook and the step.

    After ``leader.on_before_optimizer_step`` come the same hook of the callbacks behind it, that
    of the module, and clipping. ``optimizer_step`` and ``optimizer_zero_grad`` of the module come
    before it or go through it. Many overrides only log norms; that cannot be told from here.

    Args:
        trainer: whose callbacks are in order.
        model: the LightningModule.
        leader: the pruning callback that masks gradients.
    """
    callbacks = list(trainer.callbacks)
    behind = callbacks[callbacks.index(leader) + 1 :]
    hooks = [callback.on_before_optimizer_step for callback in behind]
    hooks += [model.on_before_optimizer_step, model.configure_gradient_clipping]
    hooks += [trainer.precision_plugin.clip_gradients]
    return not all(_is_trusted(hook) for hook in hooks)


def sharing_storage(model: nn.Module) -> set[int]:
    """Give the ids of parameters whose memory is another parameter's too (a transposed view).

    What the optimizer does to one happens to the other, whose mask is of another shape.
    """
    places = {
        id(parameter): parameter.untyped_storage().data_ptr()
        for parameter in model.parameters()
        if type(parameter) is nn.Parameter  # lazy and distributed ones have no storage to ask
    }
    counts = Counter(places.values())
    return {which for which, place in places.items() if place and counts[place] > 1}


def _is_trusted(hook: Any) -> bool:
    return str(getattr(hook, "__module__", "")).split(".")[0] in _TRUSTED
