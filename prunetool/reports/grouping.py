"""The layers of a report added up by the modules that they belong to."""

from __future__ import annotations

from dataclasses import dataclass

from prunetool.reports.statistics import Layer, Report, Sums, sums_of

TOP = "(top)"  # parameters that the model holds itself


@dataclass(frozen=True)
class Group:
    """A module and all that is below it.

    Attributes:
        name: of the module; ``TOP`` for the parameters that are in none.
        all_layers: what its layers come to.
        prunable: what those in the pruned set come to.
    """

    name: str
    all_layers: Sums
    prunable: Sums


def group_by_module(report: Report, depth: int) -> tuple[Group, ...]:
    """Add layers up by the first ``depth`` parts of their module's name, in the report's order.

    Args:
        depth: at least 1; a module that is not as deep stays by itself.
    """
    members: dict[str, list[Layer]] = {}
    for layer in report.layers:
        module = layer.name.split(".")[:-1][:depth]
        members.setdefault(".".join(module) or TOP, []).append(layer)
    return tuple(
        Group(name, sums_of(layers), sums_of(it for it in layers if it.prunable))
        for name, layers in members.items()
    )
