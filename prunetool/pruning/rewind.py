"""Lottery tickets: keep early weights, go back to them, or draw new ones.

Frankle & Carbin 2019 (arXiv 1803.03635) go back to the initial weights; Frankle et al. 2020
(arXiv 1912.05671) to those of an early step K.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy

import torch
from torch import Tensor, nn

from prunetool.pruning.shards import is_sharded, local, shard_of
from prunetool.pruning.targets import Target


class EarlyWeights:
    """Clones of the targets' early values, by name; they never share storage with the live ones."""

    def __init__(self, tensors: Mapping[str, Tensor]) -> None:
        self._tensors = {name: local(tensor.detach()).clone() for name, tensor in tensors.items()}

    @classmethod
    def of(cls, targets: Sequence[Target]) -> EarlyWeights:
        """Keep the values that ``targets`` have now."""
        return cls({target.name: target.parameter for target in targets})

    def __contains__(self, name: str) -> bool:
        return name in self._tensors

    def value(self, target: Target) -> Tensor:
        """Give the early value of ``target``, of this process's part, on its device."""
        return self._tensors[target.name].to(target.part.device)

    def tensors(self) -> dict[str, Tensor]:
        """Give all of them, for a checkpoint."""
        return dict(self._tensors)


def resampled(targets: Sequence[Target], *, generator: torch.Generator) -> dict[str, Tensor]:
    """Draw new initial values for the targets whose module has ``reset_parameters``.

    The live modules are not touched: a copy on the CPU is reset, under a global generator that is
    seeded from ``generator`` and put back afterwards, so that every rank draws alike.

    Returns:
        New values by target name, of this process's part; targets whose module cannot be reset are
        missing. Of a sharded module every process draws the whole, one module after the other.
    """
    drawn: dict[int, dict[str, Tensor]] = {}
    fresh: dict[str, Tensor] = {}
    with torch.random.fork_rng(devices=[]):
        # Not torch.manual_seed, which would reseed the accelerators' generators for good.
        torch.default_generator.manual_seed(int(torch.randint(2**62, (), generator=generator)))
        for target in targets:
            module, attribute = target.sites[0]
            if not callable(getattr(module, "reset_parameters", None)):
                continue
            if id(module) not in drawn:
                drawn[id(module)] = _drawn_for(module)
            fresh[target.name] = drawn[id(module)][attribute]
    return fresh


def _drawn_for(module: nn.Module) -> dict[str, Tensor]:
    """Draw new values for a module's own parameters; keep this process's parts of them."""
    copied = _copy_of(module)
    copied.reset_parameters()  # type: ignore[operator]
    values = {}
    for name, parameter in module.named_parameters(recurse=False, remove_duplicate=False):
        value, shard = getattr(copied, name).detach(), shard_of(parameter)
        values[name] = value if shard is None else shard.part(value).clone()
    return values


def _copy_of(module: nn.Module) -> nn.Module:
    """Copy a module on the CPU, with parameters of the whole shape where they are sharded."""
    if not any(is_sharded(parameter) for parameter in module.parameters(recurse=False)):
        return deepcopy(module).cpu()
    # FSDP's modules can neither be deep-copied nor made by their class.
    copied: nn.Module = object.__new__(type(module))
    parameters = {
        name: None
        if parameter is None
        else nn.Parameter(torch.empty(parameter.shape, dtype=parameter.dtype))
        for name, parameter in module._parameters.items()
    }
    copied.__dict__.update({**module.__dict__, "_parameters": parameters})
    return copied
