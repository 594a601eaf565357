"""The state of the random-number generators: Lightning saves none, so a resumed run would
shuffle and drop out otherwise than one that was never interrupted.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.distributed as dist


def of_every_process(own: Any) -> list[Any]:
    """Collect what each process has, in the order of ranks; to be called by all of them."""
    if not _is_distributed():
        return [own]
    everyone: list[Any] = [None] * dist.get_world_size()
    dist.all_gather_object(everyone, own)
    return everyone


def of_this_process(states: Sequence[Any]) -> Any:
    """Give this process's share of what :func:`of_every_process` collected.

    Returns:
        None if the run had another number of processes then.
    """
    rank, size = (dist.get_rank(), dist.get_world_size()) if _is_distributed() else (0, 1)
    return states[rank] if len(states) == size else None


def restore(state: Mapping[str, Any]) -> None:
    """Set this process's generators to what :func:`capture` read."""
    version, internal, gauss = state["python"]
    random.setstate((version, tuple(internal), gauss))
    torch.set_rng_state(state["torch"].cpu())
    if len(state["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all([one.cpu() for one in state["cuda"]])
    if "numpy" in state and "numpy" in sys.modules:
        name, keys, position, has_gauss, cached = state["numpy"]
        np = sys.modules["numpy"]
        np.random.set_state((name, keys.numpy().astype("uint32"), position, has_gauss, cached))


def capture() -> dict[str, Any]:
    """Read this process's generators.

    Returns:
        Tensors and plain values, which load with ``torch.load(weights_only=True)``.
    """
    state: dict[str, Any] = {
        "python": random.getstate(),
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
    }
    if "numpy" in sys.modules:
        name, keys, position, has_gauss, cached = sys.modules["numpy"].random.get_state()
        state["numpy"] = (name, torch.tensor(keys.astype("int64")), position, has_gauss, cached)
    return state


def _is_distributed() -> bool:
    return dist.is_available() and dist.is_initialized()
