"""Where the weights are in the object that a torch file holds.

Lightning and most training scripts keep a ``state_dict`` among other things; others have their own
word for it. A file can also hold the ``state_dict`` itself, or, where it was really unpickled, a
whole module.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from prunetool.checkpoints.lazy import as_lazy

WEIGHTS = "state_dict"
# In the order of preference; averaged copies only where there is nothing else.
_WRAPPERS = (
    WEIGHTS,
    "model",
    "model_state_dict",
    "model_state",
    "module",
    "net",
    "network",
    "weights",
    "params",
    "model_ema",
    "ema",
    "ema_state_dict",
    "state_dict_ema",
    "params_ema",
)

Way = tuple[str, ...]


def is_weights(value: Any) -> bool:
    """Say whether ``value`` is a mapping with a tensor under a name in it."""
    return isinstance(value, Mapping) and any(
        isinstance(key, str) and as_lazy(it) is not None for key, it in value.items()
    )


def way_to_weights(content: Any) -> Way | None:
    """Return the keys that lead from ``content`` to the weights, or None if there are none."""
    if not isinstance(content, Mapping):
        return None
    for key in _WRAPPERS:
        value = content.get(key)
        if is_weights(value):
            return (key,)
        if isinstance(value, Mapping) and is_weights(value.get(WEIGHTS)):
            return key, WEIGHTS
    return () if is_weights(content) else None


def other_weights(content: Mapping[Any, Any], way: Way) -> list[str]:
    """Return the other well-known keys that have weights: copies, averaged or not."""
    return [key for key in _WRAPPERS if key not in way[:1] and is_weights(content.get(key))]


def weights_below(content: Mapping[Any, Any]) -> list[str]:
    """Return the keys, of any name, that weights are at."""
    return [key for key, it in content.items() if isinstance(key, str) and is_weights(it)]


def at_way(content: Any, way: Way) -> Mapping[str, Any]:
    """Return the weights at the end of ``way``, without what has no name."""
    for key in way:
        content = content[key]
    if all(isinstance(key, str) for key in content):
        return content  # type: ignore[no-any-return]
    return {key: value for key, value in content.items() if isinstance(key, str)}


def modules_to_weights(content: Any) -> Any:
    """Replace a module, and modules under the well-known keys, by their ``state_dict``.

    There are modules only where a file was really unpickled.
    """
    if isinstance(content, torch.nn.Module):
        return content.state_dict()
    if not isinstance(content, Mapping):
        return content
    modules = {
        key: content[key].state_dict()
        for key in _WRAPPERS
        if isinstance(content.get(key), torch.nn.Module)
    }
    return {**content, **modules} if modules else content


def pickled_object(content: Any) -> Any:
    """Return what is in the place of the weights, to be named in an error message."""
    if isinstance(content, Mapping):
        return next((content[key] for key in _WRAPPERS if content.get(key) is not None), content)
    return content
