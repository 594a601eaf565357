"""The callback's arguments, checked: what prunes, and under which name it is logged."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch.nn.utils.prune as torch_prune
from lightning.fabric.utilities.exceptions import MisconfigurationException

from prunetool.pruning.allocation import Allocation
from prunetool.pruning.criteria import Criterion, Norm
from prunetool.pruning.method import Method
from prunetool.pruning.patterns import Channels, Elements
from prunetool.suggest import did_you_mean

PARAMETER_NAMES = ("weight", "bias")

_CLASSES: dict[str, type[torch_prune.BasePruningMethod]] = {
    "ln_structured": torch_prune.LnStructured,
    "l1_unstructured": torch_prune.L1Unstructured,
    "random_structured": torch_prune.RandomStructured,
    "random_unstructured": torch_prune.RandomUnstructured,
}


@dataclass(frozen=True)
class PruningFunction:
    """What ``pruning_fn`` stands for.

    Attributes:
        public: the class of ``torch.nn.utils.prune`` or the user's own, as ``callback.pruning_fn``.
        engine: how this package prunes; for a class of the user's own, the class.
        log_name: what log lines call it: the class's name, and the function's name where tensors
            are pruned one by one, as in the reference.
    """

    public: type[torch_prune.BasePruningMethod]
    engine: Method | type[torch_prune.BasePruningMethod]
    log_name: str


def resolve_pruning_fn(
    pruning_fn: Callable[..., Any] | str,
    *,
    pooled: bool,
    dim: int | None,
    norm: Norm | None,
) -> PruningFunction:
    """Check ``pruning_fn`` and what belongs to it.

    Raises:
        MisconfigurationException: in each case that the callback documents.
    """
    if isinstance(pruning_fn, str):
        return _named(pruning_fn.lower(), pooled=pooled, dim=dim, norm=norm)
    if not (inspect.isclass(pruning_fn) and issubclass(pruning_fn, torch_prune.BasePruningMethod)):
        raise MisconfigurationException(
            f"`pruning_fn` is expected to be a str in {list(_CLASSES)} or a `BasePruningMethod` "
            f"subclass (the class, not an instance), got {pruning_fn!r}"
        )
    if not pooled:
        raise MisconfigurationException(
            "a `BasePruningMethod` is currently only supported with `use_global_unstructured=True`"
        )
    _require_unstructured(pruning_fn)
    return PruningFunction(pruning_fn, _native(pruning_fn) or pruning_fn, pruning_fn.__name__)


def _named(name: str, *, pooled: bool, dim: int | None, norm: Norm | None) -> PruningFunction:
    if name not in _CLASSES:
        raise MisconfigurationException(
            f"the provided `pruning_fn` {name} isn't available: expected one of {list(_CLASSES)}"
            f"{did_you_mean(name, _CLASSES)}"
        )
    public = _CLASSES[name]
    if name.endswith("_structured"):
        if dim is None:
            raise MisconfigurationException(
                f"when requesting `structured` pruning ({name}), "
                "the `pruning_dim` should be provided"
            )
        if name == "ln_structured" and norm is None:
            raise MisconfigurationException(
                "when requesting `ln_structured` pruning, the `pruning_norm` should be provided"
            )
    if pooled:
        _require_unstructured(public)
        return PruningFunction(public, _native(public) or public, public.__name__)
    engine = _local(name, dim=dim, norm=as_norm(norm) if norm is not None else 1)
    return PruningFunction(public, engine, name)


def _require_unstructured(method: type[torch_prune.BasePruningMethod]) -> None:
    kind = getattr(method, "PRUNING_TYPE", None)
    if kind != "unstructured":
        raise MisconfigurationException(
            'only the "unstructured" PRUNING_TYPE is supported with '
            f"`use_global_unstructured=True`, got {method.__name__} of type {kind!r}; "
            "set `use_global_unstructured=False` to prune channels tensor by tensor"
        )


def _native(method: type[torch_prune.BasePruningMethod]) -> Method | None:
    """Give this package's own form of torch's two unstructured classes, which it equals exactly."""
    if method is torch_prune.L1Unstructured:
        return Method(Criterion.MAGNITUDE)
    if method is torch_prune.RandomUnstructured:
        return Method(Criterion.RANDOM)
    return None


def _local(name: str, *, dim: int | None, norm: Norm) -> Method:
    match name:
        case "l1_unstructured":
            return Method(Criterion.MAGNITUDE, Elements(), Allocation.UNIFORM)
        case "random_unstructured":
            return Method(Criterion.RANDOM, Elements(), Allocation.UNIFORM)
    channels = Channels(dim or 0, matrices_only=name == "ln_structured" and norm == "nuc")
    match name:
        case "ln_structured":
            return Method(Criterion.MAGNITUDE, channels, Allocation.UNIFORM, norm)
        case "random_structured":
            return Method(Criterion.RANDOM, channels, Allocation.UNIFORM)
    raise AssertionError(f"no such method: {name}")


def as_norm(norm: Norm) -> Norm:
    """Read a norm as a command line or a YAML file spells it.

    Raises:
        MisconfigurationException: if it is no order of :func:`torch.linalg.vector_norm`.
    """
    if not isinstance(norm, str) or norm in ("fro", "nuc"):
        return norm
    try:
        return float(norm)  # "inf"
    except ValueError:
        raise MisconfigurationException(
            f"`pruning_norm`: expected a number, 'inf', 'fro' or 'nuc', got {norm!r}"
        ) from None


def check_parameter_names(names: Sequence[str]) -> None:
    """Allow no other attributes than ``weight`` and ``bias``, as the reference does."""
    for name in names:
        if name not in PARAMETER_NAMES:
            raise MisconfigurationException(
                f"the provided `parameter_names` name: {name} isn't in {PARAMETER_NAMES}"
            )


def check_amount(amount: object) -> None:
    """Allow an int, a float or a callable of the epoch."""
    if isinstance(amount, bool) or not (isinstance(amount, int | float) or callable(amount)):
        raise MisconfigurationException(
            f"`amount` should be an int, a float or a callable of the epoch, got {amount!r}"
        )


def check_verbose(verbose: object) -> None:
    """Allow 0, 1 and 2."""
    if verbose not in (0, 1, 2):
        raise MisconfigurationException(f"`verbose` must be any of (0, 1, 2), got {verbose!r}")


def check_sparsity(sparsity: object) -> None:
    """Allow None and a fraction in [0, 1)."""
    if sparsity is None:
        return
    if isinstance(sparsity, bool) or not isinstance(sparsity, int | float) or not 0 <= sparsity < 1:
        raise MisconfigurationException(
            f"`sparsity` should be a fraction in [0, 1) such as 0.9, got {sparsity!r}"
        )


def check_choice(argument: str, value: object, known: Sequence[str]) -> None:
    """Allow one of a few words."""
    if value not in known:
        raise MisconfigurationException(
            f"`{argument}` should be one of {list(known)}, got {value!r}"
            f"{did_you_mean(str(value), known)}"
        )
