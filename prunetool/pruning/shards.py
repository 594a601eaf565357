"""The part of a tensor that one process holds, where several share it (FSDP2, tensor parallelism).

Each process scores, masks and counts its own part; what all must know is added up over them
(:mod:`prunetool.pruning.ranks`). A plain tensor is whole in every process: there each decides for
itself, and all decide alike.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from prunetool.pruning import ranks

if TYPE_CHECKING:
    from torch.distributed.tensor import DTensor


@dataclass(frozen=True)
class Shard:
    """A box cut out of a tensor: what this process holds of it, maybe nothing.

    Attributes:
        shape: of the whole tensor.
        offsets: where the box begins, in each dimension.
        sizes: how long it is, in each dimension.
        counted: whether this process speaks for the box; of several that hold it, one does.
        cuts: mesh dimensions that cut each dimension of the tensor.
        mesh: the processes.
    """

    shape: torch.Size
    offsets: tuple[int, ...]
    sizes: tuple[int, ...]
    counted: bool
    cuts: tuple[tuple[int, ...], ...]
    mesh: Any

    @property
    def device(self) -> torch.device:
        """Where tensors have to be for the processes to exchange them."""
        return ranks.device_of(self.mesh)

    def holds_all_of(self, dim: int) -> bool:
        """Whether no process holds a part of ``dim`` only."""
        return not self.cuts[dim]

    def part(self, whole: Tensor) -> Tensor:
        """View the box in a tensor of the whole shape."""
        for dim, (offset, size) in enumerate(zip(self.offsets, self.sizes, strict=True)):
            whole = whole.narrow(dim, offset if size else 0, size)
        return whole

    def whole(self, part: Tensor) -> Tensor:
        """Put the parts of all processes together, in each of them; a collective.

        Meant for masks: of anything larger than that, one tensor of it may be too much.
        """
        kind = torch.uint8 if part.dtype == torch.bool else part.dtype
        joined = torch.zeros(self.shape, dtype=kind, device=self.device)
        if self.counted:
            self.part(joined).copy_(part)
        return ranks.total(joined, self.device).to(part.dtype)

    def positions(self, local: Tensor) -> Tensor:
        """Turn row-major positions within the box into those within the whole tensor."""
        out, rest = torch.zeros_like(local), local
        stride = 1
        for length, offset, size in reversed(
            list(zip(self.shape, self.offsets, self.sizes, strict=True))
        ):
            out += (rest % size + offset) * stride
            rest = rest.div(size, rounding_mode="floor")
            stride *= length
        return out

    def count_before(self, position: int) -> int:
        """Count the elements of the box before a row-major position of the whole tensor."""
        if not prod(self.sizes):
            return 0
        if position >= prod(self.shape):
            return prod(self.sizes)
        count, inner, inner_whole = 0, prod(self.sizes), prod(self.shape)
        for length, offset, size in zip(self.shape, self.offsets, self.sizes, strict=True):
            inner, inner_whole = inner // size, inner_whole // length
            at, position = divmod(position, inner_whole)
            count += min(max(at - offset, 0), size) * inner
            if not offset <= at < offset + size:
                break
        return count


def local(tensor: Tensor) -> Tensor:
    """Give the part of ``tensor`` that this process holds; it shares its memory."""
    if not is_sharded(tensor):
        return tensor
    part: Tensor = tensor._local_tensor  # type: ignore[attr-defined]  # to_local() is a new view
    return part


def is_sharded(tensor: Tensor) -> bool:
    """Whether ``tensor`` is a DTensor."""
    module = sys.modules.get("torch.distributed.tensor")  # else there can be none
    return module is not None and isinstance(tensor, module.DTensor)


def is_fsdp(module: nn.Module) -> bool:
    """Whether ``fully_shard`` was applied to ``module`` itself."""
    fsdp = sys.modules.get("torch.distributed.fsdp")
    return fsdp is not None and isinstance(module, fsdp.FSDPModule)


def shard_of(tensor: Tensor) -> Shard | None:
    """Say which part of ``tensor`` this process holds; None where that is all of it by nature.

    Raises:
        ValueError: if the tensor is spread in another way than in boxes (partial sums).
    """
    if not is_sharded(tensor):
        return None
    placed: DTensor = tensor  # type: ignore[assignment]
    if any(placement.is_partial() for placement in placed.placements):
        raise ValueError(f"cannot be pruned while it is spread as {placed.placements}")
    chunk = placed.__create_chunk_list__()[0]  # type: ignore[no-untyped-call]
    sizes = tuple(placed._local_tensor.shape)
    return Shard(
        shape=torch.Size(placed.shape),
        offsets=tuple(chunk.offsets),
        sizes=sizes,
        counted=_is_first_copy(placed),
        cuts=_cuts(placed),
        mesh=placed.device_mesh,
    )


def like(parameter: Tensor, part: Tensor) -> Tensor:
    """Make of ``part`` a tensor that is spread as ``parameter`` is; no collective.

    Args:
        parameter: plain, or a DTensor.
        part: of the shape of its local part.
    """
    if not is_sharded(parameter):
        return part
    from torch.distributed.tensor import DTensor

    placed: DTensor = parameter  # type: ignore[assignment]
    return DTensor.from_local(
        part,
        placed.device_mesh,
        placed.placements,
        run_check=False,
        shape=placed.shape,
        stride=placed.stride(),
    )


def _is_first_copy(placed: DTensor) -> bool:
    """Whether this process is the first of those that hold the same box.

    A mesh without process 0 is one of several equal ones, with the same tensor in each.
    """
    coordinate = placed.device_mesh.get_coordinate()
    if coordinate is None or not bool((placed.device_mesh.mesh == 0).any()):
        return False
    return all(
        at == 0 or not placement.is_replicate()
        for at, placement in zip(coordinate, placed.placements, strict=True)
    )


def _cuts(placed: DTensor) -> tuple[tuple[int, ...], ...]:
    cuts: list[list[int]] = [[] for _ in placed.shape]
    for mesh_dim, placement in enumerate(placed.placements):
        dim = getattr(placement, "dim", None)
        if dim is not None and placed.device_mesh.size(mesh_dim) > 1:
            cuts[dim].append(mesh_dim)
    return tuple(map(tuple, cuts))
