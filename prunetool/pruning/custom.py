"""A user's own ``torch.nn.utils.prune.BasePruningMethod``, asked for its mask as torch would ask.

``torch.nn.utils.prune.global_unstructured`` joins all tensors into one vector, builds the method
with those of its keyword arguments that it accepts, and has a ``PruningContainer`` call
``compute_mask`` on the elements that are not pruned yet. The same is done here, without touching
a module.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence

import torch
from torch.nn.utils.prune import BasePruningMethod, PruningContainer

from prunetool.pruning.masks import MaskSet
from prunetool.pruning.targets import Target

# The name under which torch's own function joins a method and its container.
_TENSOR_NAME = "temp"


def prune_with(
    method_class: type[BasePruningMethod],
    targets: Sequence[Target],
    masks: MaskSet,
    amount: float,
    *,
    generator: torch.Generator,
) -> None:
    """Extend ``masks`` by what ``method_class`` prunes of ``targets``, taken as one vector.

    Args:
        method_class: of ``PRUNING_TYPE`` "unstructured"; built with ``amount=amount`` if its
            constructor takes that argument.
        targets: joined in this order.
        masks: extended in place; a method cannot bring back what is pruned.
        amount: handed on.
        generator: seeds torch's global generator for the call (and only for it), so that a
            method that draws at random chooses alike on all ranks.
    """
    with torch.no_grad():
        weights = torch.cat([target.parameter.detach().reshape(-1) for target in targets])
        kept = torch.cat([masks.kept(target.name).reshape(-1) for target in targets])
    devices = [weights.get_device()] if weights.is_cuda else []
    with torch.random.fork_rng(devices=devices):
        seed = int(torch.randint(2**62, (), generator=generator))
        # Not torch.manual_seed, which would reseed the other devices' generators for good.
        torch.default_generator.manual_seed(seed)
        for device in devices:
            torch.cuda.default_generators[device].manual_seed(seed)
        container = _container(method_class, amount)
        final = container.compute_mask(weights, kept.to(weights.dtype))  # type: ignore[no-untyped-call]
    offset = 0
    for target in targets:
        size = target.parameter.numel()
        piece = final[offset : offset + size].view(target.parameter.shape)
        masks.prune(target.name, piece == 0)
        offset += size


def _container(method_class: type[BasePruningMethod], amount: float) -> PruningContainer:
    accepted = inspect.signature(method_class).parameters
    method = method_class(**({"amount": amount} if "amount" in accepted else {}))
    method._tensor_name = _TENSOR_NAME
    container = PruningContainer()
    container._tensor_name = _TENSOR_NAME
    container.add_pruning_method(method)
    return container
