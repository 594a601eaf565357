"""The part of the pruning state that is as large as the weights, where these are sharded.

Early weights, values under masks and sums over gradients are saved as the weights are: each process
writes its own part, as entries of the checkpoint's ``state_dict`` that no model asks for, and reads
back what belongs to the part that it then holds, on whatever number of processes. The masks
themselves, one bit an element, travel whole in the callback's state.

    prunetool.early.NAME         what a lottery ticket goes back to
    prunetool.original.NAME      what is under the masks (``make_pruning_permanent=False``)
    prunetool.gathered.I.NAME    what the I-th pruning callback's criterion has summed up
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from prunetool.fit.session import Session
from prunetool.pruning.shards import is_sharded, like

Tensors = Mapping[str, Tensor]
SHARDED = "sharded"  # in the callbacks' state: what the checkpoint holds in parts
_PREFIX = "prunetool."
_WEIGHTS = "state_dict."  # Lightning's name for them in a sharded checkpoint


@dataclass(frozen=True)
class Large:
    """What is as large as the weights, by parameter name.

    Attributes:
        early: of lottery tickets.
        originals: the values under masks.
        gathered: sums over gradients, for each pruning callback.
    """

    early: Tensors
    originals: Tensors
    gathered: Sequence[Tensors]

    def names(self) -> dict[str, Any]:
        """List what there is, for :func:`read`."""
        return {
            "early": list(self.early),
            "original": list(self.originals),
            "gathered": [list(sums) for sums in self.gathered],
        }

    def mapped(self, function: Callable[[str, Tensor], Tensor]) -> Large:
        """Apply ``function`` to every name and tensor."""

        def each(tensors: Tensors) -> dict[str, Tensor]:
            return {name: function(name, tensor) for name, tensor in tensors.items()}

        return Large(each(self.early), each(self.originals), [each(sums) for sums in self.gathered])


def with_large(state: Mapping[str, Any], large: Large) -> dict[str, Any]:
    """Put what is large into the state of all pruning callbacks."""
    callbacks = zip(state["callbacks"], large.gathered, strict=True)
    return {
        **state,
        "early": dict(large.early),
        "callbacks": [{**own, "gathered": dict(sums)} for own, sums in callbacks],
    }


def is_spread(state_dict: Mapping[str, Any]) -> bool:
    """Whether the processes are about to write a part of the weights each."""
    return any(isinstance(it, Tensor) and is_sharded(it) for it in state_dict.values())


def as_entries(parts: Large, session: Session) -> dict[str, Tensor]:
    """Turn this process's parts into entries of a sharded checkpoint's ``state_dict``."""
    targets = session.targets
    placed = parts.mapped(lambda name, part: like(targets[name].parameter, part))
    kinds = [("early", placed.early), ("original", placed.originals)]
    kinds += [(f"gathered.{i}", sums) for i, sums in enumerate(placed.gathered)]
    return {
        f"{_PREFIX}{kind}.{name}": tensor
        for kind, tensors in kinds
        for name, tensor in tensors.items()
    }


def as_whole(parts: Large, session: Session) -> Large:
    """Put the parts of all processes together, for a checkpoint in one file; a collective."""

    def whole(name: str, part: Tensor) -> Tensor:
        shard = session.targets[name].shard
        return part if shard is None else shard.whole(part)

    return parts.mapped(whole)


def read(names: Mapping[str, Any], folder: Path, session: Session) -> Large:
    """Read from a sharded checkpoint the parts that this process holds now; a collective.

    Args:
        names: what :meth:`Large.names` listed.
        folder: the checkpoint.
        session: whose targets say what this process holds.
    """
    from torch.distributed.checkpoint.filesystem import FileSystemReader
    from torch.distributed.checkpoint.state_dict_loader import load

    parts = {name: target.part for name, target in session.targets.items()}

    def empty(listed: Sequence[str], *, wide: bool = False) -> dict[str, Tensor]:
        found = {name: part for name, part in parts.items() if name in listed}
        return {
            name: torch.empty_like(
                part, dtype=torch.promote_types(part.dtype, torch.float32) if wide else None
            )
            for name, part in found.items()
        }

    gathered = [empty(listed, wide=True) for listed in names["gathered"]]
    large = Large(empty(names["early"]), empty(names["original"]), gathered)
    wanted = {_WEIGHTS + key: tensor for key, tensor in as_entries(large, session).items()}
    if wanted:
        load(wanted, storage_reader=FileSystemReader(folder))
    return large  # filled in place: what was asked for shares its memory


def localised(state: Mapping[str, Any], folder: Path | None, session: Session) -> Mapping[str, Any]:
    """Bring a loaded state to the parts that this process holds; values under masks go to them.

    Args:
        state: of all pruning callbacks.
        folder: the checkpoint that it was loaded from, if it is one.
        session: with its masks in place.
    """
    if not session.is_sharded:
        return state
    names = state.get(SHARDED)
    if names is None:  # a checkpoint in one file: all is whole
        whole = Large(state["early"], {}, [own.get("gathered", {}) for own in state["callbacks"]])
        known = session.targets
        return with_large(
            state,
            whole.mapped(lambda n, it: session.masks.part(n, it) if n in known else it),
        )
    if folder is None or not folder.is_dir():
        return state
    parts = read(names, folder, session)
    if session.keep_values:
        session.restore_originals(parts.originals)
    return with_large(state, parts)
