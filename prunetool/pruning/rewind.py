"""Lottery tickets: keep early weights, go back to them, or draw new ones.

Frankle & Carbin 2019 (arXiv 1803.03635) go back to the initial weights; Frankle et al. 2020
(arXiv 1912.05671) to those of an early step K.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy

import torch
from torch import Tensor, nn

from prunetool.pruning.targets import Target


class EarlyWeights:
    """Clones of the targets' early values, by name; they never share storage with the live ones."""

    def __init__(self, tensors: Mapping[str, Tensor]) -> None:
        self._tensors = {name: tensor.detach().clone() for name, tensor in tensors.items()}

    @classmethod
    def of(cls, targets: Sequence[Target]) -> EarlyWeights:
        """Keep the values that ``targets`` have now."""
        return cls({target.name: target.parameter for target in targets})

    def __contains__(self, name: str) -> bool:
        return name in self._tensors

    def value(self, target: Target) -> Tensor:
        """Give the early value of ``target``, on its device."""
        return self._tensors[target.name].to(target.parameter.device)

    def tensors(self) -> dict[str, Tensor]:
        """Give all of them, for a checkpoint."""
        return dict(self._tensors)


def resampled(targets: Sequence[Target], *, generator: torch.Generator) -> dict[str, Tensor]:
    """Draw new initial values for the targets whose module has ``reset_parameters``.

    The live modules are not touched: a copy on the CPU is reset, under a global generator that is
    seeded from ``generator`` and put back afterwards, so that every rank draws alike.

    Returns:
        New values by target name; targets whose module cannot be reset are missing.
    """
    fresh: dict[str, Tensor] = {}
    copies: dict[int, nn.Module] = {}
    with torch.random.fork_rng(devices=[]):
        # Not torch.manual_seed, which would reseed the accelerators' generators for good.
        torch.default_generator.manual_seed(int(torch.randint(2**62, (), generator=generator)))
        for target in targets:
            module, attribute = target.sites[0]
            if not callable(getattr(module, "reset_parameters", None)):
                continue
            if id(module) not in copies:
                copies[id(module)] = deepcopy(module).cpu()
                copies[id(module)].reset_parameters()  # type: ignore[operator]
            fresh[target.name] = getattr(copies[id(module)], attribute).detach()
    return fresh
