"""What torchmetrics metrics have gathered: their states are no part of a model's state dict."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from torch import Tensor, nn


def capture(model: nn.Module, *, without: Collection[int] = ()) -> dict[str, Any]:
    """Read the metrics that have seen anything, by the name of the submodule.

    Args:
        model: the whole model.
        without: ids of metrics to leave out.

    Returns:
        Tensors, lists of tensors and numbers.
    """
    return {
        name: {
            "updates": metric._update_count,
            "states": {key: _held(getattr(metric, key)) for key in metric._defaults},
        }
        for name, metric in _metrics(model)
        if metric._update_count and id(metric) not in without
    }


def restore(model: nn.Module, states: Mapping[str, Any]) -> None:
    """Set the metrics to what :func:`capture` read; the others stay as they are."""
    for name, metric in _metrics(model):
        if name not in states:
            continue
        for key, value in states[name]["states"].items():
            setattr(metric, key, _moved(value, metric.device))
        metric._update_count = states[name]["updates"]
        metric._computed = None


def _metrics(model: nn.Module) -> Iterator[tuple[str, Any]]:
    from torchmetrics import Metric, MetricCollection

    for module in model.modules():
        if isinstance(module, MetricCollection):
            # In a group of metrics with equal states only one is kept up to date until asked.
            list(module.values(copy_state=False))
    for name, module in model.named_modules():
        if isinstance(module, Metric):
            yield name, module


def _held(value: Any) -> Any:
    if isinstance(value, list):
        return [_held(item) for item in value]
    return value.detach().clone() if isinstance(value, Tensor) else value


def _moved(value: Any, device: Any) -> Any:
    if isinstance(value, list):
        return [_moved(item, device) for item in value]
    return value.to(device) if isinstance(value, Tensor) else value
