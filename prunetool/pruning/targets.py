"""Which parameters take part: default sets, names, and tensors that several modules share."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import nn

from prunetool.pruning.names import matching
from prunetool.pruning.shards import Shard, local, shard_of

# A parameter as the reference callback names it: the module that owns it and the attribute.
Site = tuple[nn.Module, str]

_NORMALISATION = (
    nn.modules.batchnorm._NormBase,
    nn.LayerNorm,
    nn.GroupNorm,
    nn.RMSNorm,
)
_EMBEDDING = (nn.Embedding, nn.EmbeddingBag)


@dataclass(frozen=True)
class Target:
    """A parameter tensor that takes part in pruning.

    Attributes:
        name: its fully qualified name; the first in model order where modules share it.
        parameter: the tensor itself.
        sites: every (module, attribute) that holds it, in model order.
    """

    name: str
    parameter: nn.Parameter
    sites: tuple[Site, ...]

    @cached_property
    def shard(self) -> Shard | None:
        """Which part of the tensor this process holds; None where it holds all of it."""
        return shard_of(self.parameter)

    @property
    def part(self) -> torch.Tensor:
        """What this process holds of the tensor, without gradient; it shares its memory."""
        return local(self.parameter.detach())

    @property
    def input_dim(self) -> int:
        """The dimension that counts inputs: 1, and 0 for a transposed convolution."""
        module, attribute = self.sites[0] if self.sites else (None, "")
        transposed = isinstance(module, nn.modules.conv._ConvTransposeNd)
        return 0 if transposed and attribute == "weight" else 1


class TargetSelectionError(ValueError):
    """Names that match nothing, or tensors that cannot be pruned."""


def all_sites(model: nn.Module) -> list[Site]:
    """List every (module, attribute) that holds a parameter, in model order."""
    return [
        (module, name)
        for module in model.modules()
        for name, parameter in module.named_parameters(recurse=False, remove_duplicate=False)
        if parameter is not None
    ]


def matrices(model: nn.Module) -> list[Site]:
    """List the floating parameters of two or more dimensions outside normalisation and embedding.

    A tensor that an embedding shares (a tied output layer) stays out as well.
    """
    spared = {
        id(parameter)
        for module in model.modules()
        if isinstance(module, (*_NORMALISATION, *_EMBEDDING))
        for parameter in module.parameters(recurse=False)
    }
    return [
        (module, name)
        for module, name in all_sites(model)
        if is_lazy(parameter := getattr(module, name))  # as_targets says what to do about it
        or (parameter.dim() >= 2 and parameter.is_floating_point() and id(parameter) not in spared)
    ]


def is_lazy(parameter: torch.Tensor) -> bool:
    """Whether a parameter has no shape before the first batch (``nn.LazyLinear``)."""
    return nn.parameter.is_lazy(parameter)


def as_targets(model: nn.Module, sites: Iterable[Site]) -> list[Target]:
    """Join sites that share a tensor, name them, and put them in model order.

    Raises:
        TargetSelectionError: naming a tensor whose dtype has no order (complex) or no fractions,
            or that is not initialised yet.
    """
    wanted = {id(getattr(module, name)) for module, name in sites}
    holders: dict[int, list[Site]] = {}
    for module, name in all_sites(model):
        holders.setdefault(id(getattr(module, name)), []).append((module, name))
    targets = [
        Target(name, parameter, tuple(holders[id(parameter)]))
        for name, parameter in model.named_parameters()
        if id(parameter) in wanted
    ]
    for target in targets:
        _require_prunable(target.name, target.parameter)
    return targets


def _require_prunable(name: str, parameter: torch.Tensor) -> None:
    if is_lazy(parameter):
        raise TargetSelectionError(
            f"{name}: belongs to a lazy layer that has no shape yet; "
            "run one batch through the model before training it"
        )
    if not parameter.is_floating_point():
        raise TargetSelectionError(
            f"{name}: expected a floating-point parameter, got {parameter.dtype}; "
            f"leave it out (exclude='{name}')"
        )


def filter_by_name(
    model: nn.Module,
    candidates: Sequence[Target],
    *,
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
) -> list[Target]:
    """Keep the candidates whose names match, in model order.

    A glob of ``include`` takes the candidates it matches. One that matches no candidate but other
    parameters takes those: naming an embedding is asking for it. ``exclude`` is applied last.

    Args:
        model: where the other parameters are.
        candidates: the default set.
        include: globs or full names, see :mod:`prunetool.pruning.names`; none means all. Any name
            of a shared tensor will do.
        exclude: likewise.

    Raises:
        TargetSelectionError: for a glob that matches nothing, with the closest names; and if
            nothing is left.
    """
    everything = as_targets(model, [s for s in all_sites(model) if _is_floating(s)])
    default = {target.name for target in candidates}
    first = _first_names(model, everything)
    others = {
        name: parameter.dtype
        for name, parameter in model.named_parameters()
        if not is_lazy(parameter) and not parameter.is_floating_point()
    }
    chosen = set() if include else default
    for glob in include:
        found = _matches("include", glob, first, others)
        chosen |= (found & default) or found
    for glob in exclude:
        chosen -= _matches("exclude", glob, first, others)
    if not chosen:
        raise TargetSelectionError(_nothing_left(candidates, include, exclude))
    return [target for target in everything if target.name in chosen]


def _first_names(model: nn.Module, targets: Sequence[Target]) -> dict[str, str]:
    """Map every name of the targets' tensors, those of tied ones too, to the name of the target."""
    name_of = {id(target.parameter): target.name for target in targets}
    return {
        name: name_of[id(parameter)]
        for name, parameter in model.named_parameters(remove_duplicate=False)
        if id(parameter) in name_of
    }


def _is_floating(site: Site) -> bool:
    module, name = site
    return bool(getattr(module, name).is_floating_point())


def _matches(
    option: str, glob: str, first: Mapping[str, str], others: Mapping[str, torch.dtype]
) -> set[str]:
    found = {first[name] for name in matching(glob, first)}
    if not found:
        for name, dtype in others.items():
            if list(matching(glob, [name])):
                raise TargetSelectionError(
                    f"{option} '{glob}': {name} is of {dtype}; only floating-point parameters "
                    "can be pruned"
                )
        close = difflib.get_close_matches(glob, first, n=3, cutoff=0.3) or list(first)[:3]
        raise TargetSelectionError(
            f"{option} '{glob}' matches no parameter; the closest names are {', '.join(close)}"
        )
    return found


def _nothing_left(
    candidates: Sequence[Target], include: Sequence[str], exclude: Sequence[str]
) -> str:
    if not candidates and not include:
        return "the model has no parameter to prune by default; name some with include"
    return f"nothing is left to prune with include={list(include)} and exclude={list(exclude)}"
