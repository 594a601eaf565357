"""Which layers a requirement is about, and whether about all of them together or each by itself."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass

from prunetool.checkpoints.globs import require_match
from prunetool.errors import OptionError
from prunetool.reports.statistics import Layer

MODEL = "model"
LAYER = "layer"


class Of(enum.Enum):
    """Which layers a scope has."""

    PRUNED_SET = enum.auto()
    MODEL = enum.auto()
    GLOB = enum.auto()


@dataclass(frozen=True)
class Scope:
    """What stands before the metric.

    Attributes:
        each: whether each layer has to meet the requirement, or all of them together.
        glob: over the names of layers; "" where there is none.
    """

    of: Of = Of.PRUNED_SET
    each: bool = False
    glob: str = ""


def scope_of(text: str) -> Scope:
    """Understand ``""``, ``model``, ``layer``, ``GLOB`` or ``layer GLOB``."""
    first, _, rest = text.partition(" ")
    if text == MODEL:
        return Scope(Of.MODEL)
    if first == LAYER:
        glob = rest.strip()
        return Scope(Of.GLOB if glob else Of.PRUNED_SET, each=True, glob=glob)
    return Scope(Of.GLOB, glob=text) if text else Scope()


@dataclass(frozen=True)
class Group:
    """Layers that a requirement takes together, and what to call them."""

    where: str
    layers: tuple[Layer, ...]


def groups(scope: Scope, layers: Sequence[Layer], *, text: str, each: bool) -> list[Group]:
    """Collect what has to meet a requirement: at least one group, of at least one layer each.

    Args:
        layers: of the whole model.
        text: the requirement as it was written, for messages.
        each: take each layer by itself, whatever the scope says.

    Raises:
        OptionError: if the glob matches no layer, or there is no pruned set to speak of.
    """
    found = _layers(scope, layers, text)
    if scope.each or each:
        return [Group(layer.name, (layer,)) for layer in found]
    return [Group(_name(scope), tuple(found))]


def _layers(scope: Scope, layers: Sequence[Layer], text: str) -> list[Layer]:
    match scope.of:
        case Of.MODEL:
            return list(layers)
        case Of.GLOB:
            names = [layer.name for layer in layers]
            found = set(require_match(scope.glob, names, option=f"--require {text}:"))
            return [layer for layer in layers if layer.name in found]
        case Of.PRUNED_SET:
            pruned = [layer for layer in layers if layer.prunable]
            if pruned:
                return pruned
            raise OptionError(
                f"--require {text}: no layer here belongs to the pruned set; name layers with a "
                "glob before a colon, such as in 'encoder.*:sparsity>=0.9'"
            )
        case _:
            raise AssertionError(scope.of)


def _name(scope: Scope) -> str:
    match scope.of:
        case Of.MODEL:
            return "the whole model"
        case Of.GLOB:
            return scope.glob
        case Of.PRUNED_SET:
            return "the pruned set"
        case _:
            raise AssertionError(scope.of)
