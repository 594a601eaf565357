"""torch.nn.utils.prune and our engine side by side: the same weights, the same events."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.utils import prune as torch_prune

from prunetool.pruning.allocation import Allocation
from prunetool.pruning.criteria import Criterion, Norm
from prunetool.pruning.masks import MaskSet
from prunetool.pruning.method import Method, prune
from prunetool.pruning.patterns import Channels, Elements
from prunetool.pruning.targets import Target


class Holder(nn.Module):
    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight)

    def forward(self) -> None:
        """Nothing; the pre-hook of torch's pruning recomputes ``weight`` all the same."""


class TorchSide:
    """The reference: modules that torch prunes, with torch's global generator."""

    def __init__(self, weights: list[Tensor], seed: int) -> None:
        self.modules = [
            Holder(weight.clone(memory_format=torch.contiguous_format)) for weight in weights
        ]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.state = torch.get_rng_state()

    def train(self, weights: list[Tensor]) -> None:
        for module, weight in zip(self.modules, weights, strict=True):
            with torch.no_grad():
                getattr(module, "weight_orig", module.weight).copy_(weight)
            module()

    def event(self, apply: Callable[[list[nn.Module]], None]) -> list[Tensor]:
        with torch.random.fork_rng(devices=[]):
            torch.set_rng_state(self.state)
            apply(self.modules)
            self.state = torch.get_rng_state()
        ones = [torch.ones_like(module.weight) for module in self.modules]
        masks = [
            getattr(module, "weight_mask", one)
            for module, one in zip(self.modules, ones, strict=True)
        ]
        return [mask.bool() for mask in masks]


class OurSide:
    def __init__(self, weights: list[Tensor], seed: int) -> None:
        # clone() keeps the memory format.
        self.targets = [
            Target(f"layer{i}.weight", nn.Parameter(weight.clone()), ())
            for i, weight in enumerate(weights)
        ]
        self.masks = MaskSet()
        for target in self.targets:
            self.masks.add(target.name, target.parameter)
        self.generator = torch.Generator().manual_seed(seed)

    def train(self, weights: list[Tensor]) -> None:
        for target, weight in zip(self.targets, weights, strict=True):
            with torch.no_grad():
                target.parameter.copy_(weight)
            self.masks.zero_(target.name, target.parameter)

    def event(self, method: Method, amount: float) -> list[Tensor]:
        prune(method, self.targets, self.masks, amount, generator=self.generator)
        for target in self.targets:
            self.masks.zero_(target.name, target.parameter)
        return [self.masks.kept(target.name) for target in self.targets]

    def remaining(self, method: Method) -> list[int]:
        pruned = [self.masks.pruned(target.name) for target in self.targets]
        return [int((~method.pattern.gone(mask)).sum()) for mask in pruned]


def globally(how: type, amount: float) -> Callable[[list[nn.Module]], None]:
    def apply(modules: list[nn.Module]) -> None:
        sites = [(module, "weight") for module in modules]
        torch_prune.global_unstructured(sites, pruning_method=how, amount=amount)

    return apply


def locally(
    function: Callable[..., object], **options: object
) -> Callable[[list[nn.Module]], None]:
    def apply(modules: list[nn.Module]) -> None:
        for module in modules:
            function(module, "weight", **options)

    return apply


L1 = Criterion.MAGNITUDE
RANDOM = Criterion.RANDOM


@dataclass(frozen=True)
class Case:
    ours: Method
    torchs: Callable[[float], Callable[[list[nn.Module]], None]]


UNSTRUCTURED = {
    "l1 global": Case(
        Method(L1, Elements(), Allocation.GLOBAL), partial(globally, torch_prune.L1Unstructured)
    ),
    "l1 local": Case(
        Method(L1, Elements(), Allocation.UNIFORM),
        lambda amount: locally(torch_prune.l1_unstructured, amount=amount),
    ),
    "random global": Case(
        Method(RANDOM, Elements(), Allocation.GLOBAL),
        partial(globally, torch_prune.RandomUnstructured),
    ),
    "random local": Case(
        Method(RANDOM, Elements(), Allocation.UNIFORM),
        lambda amount: locally(torch_prune.random_unstructured, amount=amount),
    ),
}


def ln(dim: int, norm: Norm) -> Case:
    # torch raises on "fro" for channels of three dimensions; it means 2 there as well.
    torchs = 2 if norm == "fro" else norm
    return Case(
        Method(L1, Channels(dim), Allocation.UNIFORM, norm),
        lambda amount: locally(torch_prune.ln_structured, amount=amount, n=torchs, dim=dim),
    )


def random_channels(dim: int) -> Case:
    return Case(
        Method(RANDOM, Channels(dim), Allocation.UNIFORM),
        lambda amount: locally(torch_prune.random_structured, amount=amount, dim=dim),
    )


def distinct(
    shapes: list[list[int]], generator: torch.Generator, dtype: torch.dtype
) -> list[Tensor]:
    """Weights of random signs whose magnitudes are all different, over all tensors."""
    sizes = [math.prod(shape) for shape in shapes]
    values = torch.randperm(sum(sizes), generator=generator).to(dtype) + 1
    values = values / len(values) * (torch.randint(0, 2, values.shape, generator=generator) * 2 - 1)
    return [piece.view(shape) for piece, shape in zip(values.split(sizes), shapes, strict=True)]


def distinct_channels(
    shapes: list[list[int]], dim: int, generator: torch.Generator, dtype: torch.dtype
) -> list[Tensor]:
    """Weights whose channels along ``dim`` have clearly different norms, of whatever order."""
    weights = []
    for shape in shapes:
        scale = (torch.randperm(shape[dim], generator=generator) + 1.0).to(dtype)
        aligned = [1] * len(shape)
        aligned[dim] = shape[dim]
        jitter = 1 + 0.01 * torch.rand(shape, generator=generator, dtype=dtype)
        sign = torch.randint(0, 2, shape, generator=generator) * 2 - 1
        weights.append(scale.view(aligned) * jitter * sign)
    return weights


def laid_out(weights: list[Tensor], channels_last: bool) -> list[Tensor]:
    if not channels_last:
        return weights
    return [w.to(memory_format=torch.channels_last) if w.dim() == 4 else w for w in weights]
