"""Which parameters a callback prunes: checked against the model, as the reference checks them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeGuard

from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import LightningModule
from lightning.pytorch.utilities.rank_zero import rank_zero_info
from torch import nn

from prunetool.fit.arguments import PARAMETER_NAMES
from prunetool.pruning.patterns import NOfM, Pattern
from prunetool.pruning.targets import (
    Site,
    Target,
    TargetSelectionError,
    as_targets,
    filter_by_name,
    is_lazy,
    matrices,
)
from prunetool.suggest import did_you_mean


def documented_sites(
    model: nn.Module, requested: Sequence[Site | str], names: Sequence[str]
) -> Sequence[Site]:
    """Check the requested sites, or list every ``weight`` and ``bias`` of the model.

    A site may be the name of a parameter too, as a YAML file has it.

    Raises:
        MisconfigurationException: if a site is not in the model, or the list has another form.
    """
    modules = [module for module in model.modules() if not _is_container(module)]
    if not requested:
        return [
            (module, name)
            for name in names or PARAMETER_NAMES
            for module in modules
            if isinstance(getattr(module, name, None), nn.Parameter)
        ]
    if isinstance(requested, list | tuple):
        named = {it: _named_site(model, it) for it in requested if isinstance(it, str)}
        requested = [named[it] if isinstance(it, str) else it for it in requested]
        modules += [module for module, _ in named.values()]  # a container's own, too
    if not _is_list_of_sites(requested):
        raise MisconfigurationException(
            "the provided `parameters_to_prune` should either be list of tuple with 2 elements: "
            f"(nn.Module, parameter_name_to_prune) or None, got {requested!r}"
        )
    known = {id(module) for module in modules}
    missing_modules = [module for module, _ in requested if id(module) not in known]
    missing_parameters = [
        name
        for module, name in requested
        if id(module) in known and not isinstance(getattr(module, name, None), nn.Parameter)
    ]
    if missing_modules or missing_parameters:
        raise MisconfigurationException(
            "some provided `parameters_to_prune` don't exist in the model: "
            f"missing modules: {missing_modules} and missing parameters: {missing_parameters}"
        )
    return requested


def _named_site(model: nn.Module, name: str) -> Site:
    path, _, attribute = name.rpartition(".")
    parameters = dict(model.named_parameters(remove_duplicate=False))
    if name not in parameters:
        raise MisconfigurationException(
            f"some provided `parameters_to_prune` don't exist in the model: no parameter named "
            f"'{name}'{did_you_mean(name, parameters)}"
        )
    return model.get_submodule(path), attribute


def _is_container(module: nn.Module) -> bool:
    if isinstance(module, LightningModule | nn.Sequential | nn.ModuleList | nn.ModuleDict):
        return True
    # `pytorch_lightning` is a class tree of its own, and may not be installed.
    return any(
        base.__name__ == "LightningModule" and base.__module__.startswith("pytorch_lightning.")
        for base in type(module).__mro__
    )


def _is_list_of_sites(requested: object) -> TypeGuard[Sequence[Site]]:
    return isinstance(requested, list | tuple) and all(
        isinstance(site, list | tuple)
        and len(site) == 2
        and isinstance(site[0], nn.Module)
        and isinstance(site[1], str)
        for site in requested
    )


def choose_sites(model: nn.Module, names: Sequence[str]) -> list[Site]:
    """List the floating matrices of the model, of the given attribute names if there are any."""
    return [(module, name) for module, name in matrices(model) if not names or name in names]


def choose_targets(
    model: nn.Module,
    sites: Sequence[Site],
    *,
    include: Sequence[str],
    exclude: Sequence[str],
    pattern: Pattern,
    explicit: bool,
    skip_unfit: bool = False,
) -> list[Target]:
    """Turn sites into targets in model order: tied tensors once, names filtered, misfits left out.

    Args:
        model: what is pruned.
        sites: candidates.
        include: globs that choose among the names; none means all.
        exclude: globs of names that are left out.
        pattern: what does not fit it is left out, with a message; but what N:M does not fit is
            refused, unless it has one dimension and was not listed.
        explicit: the user listed the sites: one that cannot be pruned is an error. In a default
            set tensors of integers or complex numbers are left out.
        skip_unfit: leave out what N:M does not fit as well.

    Raises:
        MisconfigurationException: if a glob matches nothing, a tensor does not fit N:M, or nothing
            can be pruned.
    """
    try:
        targets = as_targets(model, sites if explicit else _floating(model, sites))
        if include or exclude:
            targets = filter_by_name(model, targets, include=include, exclude=exclude)
    except TargetSelectionError as error:
        raise MisconfigurationException(str(error)) from None
    misfits = {
        t.name: reason
        for t in targets
        if (reason := pattern.misfit(t.parameter.shape, input_dim=t.input_dim))
    }
    if isinstance(pattern, NOfM) and not skip_unfit:
        _refuse_unfit(pattern, targets, misfits, explicit=explicit)
    if misfits:
        name, reason = next(iter(misfits.items()))
        rank_zero_info(
            f"ModelPruning: left out {len(misfits)} of {len(targets)} parameters that the method "
            f"cannot prune: {', '.join(misfits)} ({name}: {reason})"
        )
    fitting = [target for target in targets if target.name not in misfits]
    if not fitting:
        raise MisconfigurationException(
            "nothing to prune: the model has no parameter that the method applies to"
            + (f"; left out {', '.join(misfits)} ({name}: {reason})" if misfits else "")
        )
    return fitting


def _refuse_unfit(
    pattern: NOfM, targets: Sequence[Target], misfits: Mapping[str, str], *, explicit: bool
) -> None:
    dims = {target.name: target.parameter.dim() for target in targets}
    refused = [name for name in misfits if explicit or dims[name] > 1]
    if refused:
        others = f" (and {len(refused) - 1} more)" if len(refused) > 1 else ""
        raise MisconfigurationException(
            f"`pattern` {pattern} does not fit {refused[0]}{others}: {misfits[refused[0]]}; "
            "leave it out (exclude), or set skip_unfit to leave out all that do not fit"
        )


def _floating(model: nn.Module, sites: Sequence[Site]) -> list[Site]:
    others = [
        f"{name} ({parameter.dtype})"
        for name, parameter in model.named_parameters()
        if not is_lazy(parameter) and not parameter.is_floating_point()
    ]
    if others:
        rank_zero_info(
            f"ModelPruning: left out {len(others)} parameters that are not floating-point: "
            f"{', '.join(others)}"
        )
    return [s for s in sites if is_lazy(p := getattr(*s)) or p.is_floating_point()]


def in_order_of(sites: Sequence[Site], targets: Sequence[Target]) -> list[Target]:
    """Put targets in the order in which ``sites`` first names them; the others come last."""
    position: dict[int, int] = {}
    for i, (module, name) in enumerate(sites):
        position.setdefault(id(getattr(module, name)), i)
    return sorted(targets, key=lambda t: position.get(id(t.parameter), len(sites)))
