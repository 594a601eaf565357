"""A checkpoint with masks becomes an ordinary one: masks applied for good, nothing else changed.

Tensors of a file stay mapped from it unless a mask is applied to them. A sharded folder becomes
one file: its tensors, and the state of its optimizers, are in memory until that is written.
"""

from __future__ import annotations

import copy
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from prunetool.checkpoints.comparing import require_same_tensors
from prunetool.checkpoints.folding import Masks, fold, masks_among
from prunetool.checkpoints.lazy import MemoryTensor
from prunetool.checkpoints.masks import MaskKind, is_mask_state, prunetool_masks
from prunetool.checkpoints.reader import WEIGHTS, Checkpoint
from prunetool.checkpoints.sharded_optimizers import UnknownFormError, optimizer_states
from prunetool.checkpoints.tensors import NamedTensor
from prunetool.checkpoints.torch_zip import Archive, read_torch_zip, write_torch_zip
from prunetool.checkpoints.writing import NewFile, check_target, write_atomically

_LIVE_COPY = "current_model_state"  # of Lightning's WeightAveraging
_AVERAGED_COPY = "average_model_state"  # in the state of Lightning's StochasticWeightAveraging
_AVERAGED_PREFIX = "module."  # in the names of torch's AveragedModel; Lightning's has none
_OPTIMIZERS = "optimizer_states"
_TRAINING_STATE = (
    _OPTIMIZERS,
    "lr_schedulers",
    "loops",
    "callbacks",
    _LIVE_COPY,
    "averaging_state",
)


@dataclass(frozen=True)
class Finalized:
    """What was done.

    Attributes:
        path: the file that was written.
        names: the plain names of the tensors whose masks were applied, tied names included.
        kind: who wrote the masks; None if there were none.
        pruned: zeros in these tensors, tied ones once.
        elements: elements of these tensors, tied ones once.
        left_out: what of the input could not be kept, and why; None if everything was.
    """

    path: Path
    names: tuple[str, ...]
    kind: MaskKind | None
    pruned: int
    elements: int
    left_out: str | None = None

    @property
    def sparsity(self) -> float:
        """Fraction of zeros in the masked tensors, in [0, 1]; 0 without any."""
        return self.pruned / self.elements if self.elements else 0.0


def default_target(source: Path) -> Path:
    """Return ``STEM.final.ckpt`` beside ``source``, with its own suffix."""
    return source.with_name(f"{source.stem}.final{source.suffix or '.ckpt'}")


def finalize(
    checkpoint: Checkpoint,
    target: Path | None = None,
    *,
    weights_only: bool = False,
    force: bool = False,
) -> Finalized:
    """Write ``checkpoint`` with its masks applied for good.

    Args:
        target: the file to write; by default ``STEM.final.ckpt`` beside the input.
        weights_only: leave the state of optimizers, schedulers, loops and callbacks out.
        force: replace ``target`` if it is there; never the input.

    Raises:
        CheckpointError: if a mask does not fit.
        OutputError: if ``target`` cannot be written; it is then as it was.
    """
    target = default_target(checkpoint.path) if target is None else target
    check_target(target, source=checkpoint.path, force=force)
    optimizers, left_out = ({}, None) if weights_only else _gathered_optimizers(checkpoint)
    content = without_masks(checkpoint, weights_only=weights_only)
    archive = Archive({**content, **optimizers} if optimizers else content, checkpoint.protocol)

    def check(written: Path) -> None:
        require_same_tensors(archive.content, read_torch_zip(written).content, target)

    write_atomically(NewFile(target, lambda file: write_torch_zip(archive, file), check))
    return _summary(checkpoint, target, left_out)


def _gathered_optimizers(checkpoint: Checkpoint) -> tuple[dict[str, Any], str | None]:
    """Return what of a sharded folder's optimizers goes into a file, or why that cannot be."""
    if checkpoint.shards is None:
        return {}, None
    try:
        states = optimizer_states(checkpoint.shards)
    except UnknownFormError as reason:
        return {}, f"the state of the optimizers: {reason}"
    return {_OPTIMIZERS: states} if states else {}, None


def without_masks(checkpoint: Checkpoint, *, weights_only: bool = False) -> Any:
    """Return the content of ``checkpoint`` with all masks applied and dropped."""
    weights = _materialised(checkpoint.weights, checkpoint.folded)
    if checkpoint.weights is checkpoint.content:
        return weights
    content = copy.copy(checkpoint.content)
    content[WEIGHTS] = weights
    for key in _TRAINING_STATE if weights_only else ():
        content.pop(key, None)
    masks = _masks_of_every_copy(checkpoint)
    if isinstance(live := content.get(_LIVE_COPY), Mapping):
        content[_LIVE_COPY] = _materialised(live, fold(live, masks, path=checkpoint.path))
    if isinstance(callbacks := content.get("callbacks"), Mapping):
        content["callbacks"] = {
            key: _with_averages_folded(state, masks, checkpoint.path)
            for key, state in callbacks.items()
            if not is_mask_state(state)
        }
    return content


def _masks_of_every_copy(checkpoint: Checkpoint) -> Masks:
    masks = prunetool_masks(checkpoint.content, checkpoint.path)
    for name, found in masks_among(checkpoint.weights, checkpoint.path).items():
        masks.setdefault(name, []).extend(found)
    return masks


def _with_averages_folded(state: Any, masks: Masks, path: Path) -> Any:
    averages = state.get(_AVERAGED_COPY) if isinstance(state, dict) else None
    if not isinstance(averages, Mapping):
        return state
    folded = fold(averages, masks, path=path, prefix=_AVERAGED_PREFIX)
    return {**state, _AVERAGED_COPY: _materialised(averages, folded)}


def _materialised(stored: Mapping[str, Any], folded: Mapping[str, Any]) -> Any:
    """Apply the masks, into a container like ``stored``; tied tensors stay one tensor.

    A ``state_dict`` carries the versions of its modules in an attribute, which is kept.
    """
    result: Any = copy.copy(stored)
    result.clear()
    applied: dict[Hashable, Tensor] = {}
    for name, value in folded.items():
        if not isinstance(value, NamedTensor):
            result[name] = value
        elif isinstance(value.stored, MemoryTensor) and not value.masks:
            result[name] = value.stored.tensor
        else:
            if value.identity not in applied:
                applied[value.identity] = _applied(value)
            result[name] = applied[value.identity]
    return result


def _applied(tensor: NamedTensor) -> Tensor:
    stored = tensor.stored
    keeps_gradient = isinstance(stored, MemoryTensor) and stored.tensor.requires_grad
    return tensor.read().requires_grad_(keeps_gradient)


def _summary(checkpoint: Checkpoint, target: Path, left_out: str | None) -> Finalized:
    masked = {name: tensor for name, tensor in checkpoint.tensors.items() if tensor.masks}
    each = {tensor.identity: tensor for tensor in masked.values()}.values()
    elements = sum(tensor.shape.numel() for tensor in each)
    kept = sum(int(tensor.read().count_nonzero()) for tensor in each)
    pruned = elements - kept
    return Finalized(target, tuple(masked), checkpoint.masks, pruned, elements, left_out)
