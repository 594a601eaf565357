"""What a trainer has logged so far in an epoch: Lightning saves none of it.

The means of ``self.log(..., on_epoch=True)`` are sums that grow with every batch, kept in a
collection of the loop; a torchmetrics metric keeps its own, which ``state_dict`` leaves out.
"""

from __future__ import annotations

import builtins
import sys
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from prunetool.training.resuming import metric_states

_REDUCTIONS = {
    f"{module.__name__}.{name}": getattr(module, name)
    for module, names in ((torch, ("mean", "sum", "max", "min")), (builtins, ("sum", "max", "min")))
    for name in names
}
_PLAIN = (
    "fx", "name", "prog_bar", "logger", "on_step", "on_epoch", "enable_graph",
    "add_dataloader_idx", "dataloader_idx", "metric_attribute",
)  # fmt: skip


def capture(trainer: Any, *, epoch_is_over: bool) -> dict[str, Any]:
    """Read what was logged, as tensors and plain values.

    Args:
        trainer: it stands between two batches, or in the last hook of an epoch.
        epoch_is_over: what is kept for the epoch's means is about to be dropped.
    """
    connector = trainer._logger_connector
    results = trainer.fit_loop.epoch_loop._results
    values = {name: _held(value) for name, value in trainer.callback_metrics.items()}
    dropped = [id(it.value) for it in results.values() if epoch_is_over and not it.is_tensor]
    return {
        "callback": values,
        "logged": {name: _held(value) for name, value in trainer.logged_metrics.items()},
        "bar": dict(trainer.progress_bar_metrics),
        "metrics": metric_states.capture(trainer.lightning_module, without=dropped),
        "results": [] if epoch_is_over else [_as_plain(key, it) for key, it in results.items()],
        "first_iteration": connector._first_loop_iter,
        "function": connector._current_fx,
    }


def restore(trainer: Any, state: Mapping[str, Any]) -> None:
    """Put back what :func:`capture` read, in ``on_train_start``."""
    connector, module = trainer._logger_connector, trainer.lightning_module
    device = trainer.strategy.root_device
    for name in ("callback", "logged"):
        own = {key: _moved(value, device) for key, value in state[name].items()}
        getattr(connector, f"_{name}_metrics").update(own)
    connector._progress_bar_metrics.update(state["bar"])
    metric_states.restore(module, state["metrics"])
    results = trainer.fit_loop.epoch_loop._results
    for plain in state["results"]:
        results[plain["key"]] = _as_result(trainer, results, plain)
    if state["first_iteration"] is not None:  # it would drop what the first hook logs
        connector._first_loop_iter = state["first_iteration"]
        connector._current_fx = state["function"]


def is_plain(trainer: Any) -> bool:
    """Whether everything that was logged in this epoch can be put into a checkpoint."""
    results = trainer.fit_loop.epoch_loop._results.values()
    return all(it.meta.sync.group is None and _reduction(it) is not None for it in results)


def _as_plain(key: str, result: Any) -> dict[str, Any]:
    meta = result.meta
    return {
        "key": key,
        "meta": {name: getattr(meta, name) for name in _PLAIN},
        "reduction": _reduction(result),
        "synced": meta.sync.should,
        "rank_zero_only": meta.sync.rank_zero_only,
        "is_tensor": result.is_tensor,
        "has_reset": result.has_reset,
        "updates": result._update_count,
        "value": _held(result.value) if result.is_tensor else None,
        "weight": _held(getattr(result, "cumulated_batch_size", None)),
        "latest": _held(result._forward_cache),
    }


def _as_result(trainer: Any, results: Any, plain: Mapping[str, Any]) -> Any:
    lightning = sys.modules[type(results).__module__]
    meta = lightning._Metadata(**plain["meta"], reduce_fx=_REDUCTIONS[plain["reduction"]])
    meta.sync = lightning._Sync(
        fn=trainer.strategy.reduce,
        _should=plain["synced"],
        rank_zero_only=plain["rank_zero_only"],
    )
    result = lightning._ResultMetric(meta, plain["is_tensor"])
    device = trainer.strategy.root_device
    if plain["is_tensor"]:
        result.value = _moved(plain["value"], device)
    else:
        result.value = trainer.lightning_module.get_submodule(meta.metric_attribute)
    if plain["weight"] is not None:
        result.cumulated_batch_size = _moved(plain["weight"], device)
    result._forward_cache = _moved(plain["latest"], device)
    result._update_count = plain["updates"]
    result.has_reset = plain["has_reset"]
    return result.to(device)


def _reduction(result: Any) -> str | None:
    function = result.meta.reduce_fx
    return next((name for name, known in _REDUCTIONS.items() if known is function), None)


def _held(value: Any) -> Any:
    """A tensor as it is now; anything else that is no plain number is of no use later."""
    if isinstance(value, Tensor):
        return value.detach().clone()
    return value if isinstance(value, int | float) else None


def _moved(value: Any, device: torch.device) -> Any:
    return value.to(device) if isinstance(value, Tensor) else value
