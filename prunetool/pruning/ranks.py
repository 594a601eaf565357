"""What all processes have to agree on: counts and other small tensors, added up over them.

Every function here is a collective: all processes call it, in the same order.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor


def device_of(mesh: Any) -> torch.device:
    """Give the device on which tensors of the processes of ``mesh`` are exchanged."""
    if mesh.device_type == "cpu":
        return torch.device("cpu")
    return torch.device(mesh.device_type, torch.accelerator.current_device_index())


def total(tensor: Tensor, device: torch.device, *, group: Any = None) -> Tensor:
    """Add ``tensor`` up over all processes.

    Args:
        tensor: of the same shape and dtype in each; may be changed.
        device: see :func:`device_of`.
        group: the processes; all by default.

    Returns:
        The sum, on the device that ``tensor`` is on.
    """
    return _reduced(tensor, device, dist.ReduceOp.SUM, group)


def largest(tensor: Tensor, device: torch.device) -> Tensor:
    """Give the element-wise maximum of ``tensor`` over all processes."""
    return _reduced(tensor, device, dist.ReduceOp.MAX, None)


def is_first() -> bool:
    """Whether this process speaks for what is whole in each."""
    return not (dist.is_available() and dist.is_initialized()) or dist.get_rank() == 0


def _reduced(tensor: Tensor, device: torch.device, operation: Any, group: Any) -> Tensor:
    exchanged = tensor.to(device).contiguous()
    dist.all_reduce(exchanged, operation, group=group)
    return exchanged.to(tensor.device)
