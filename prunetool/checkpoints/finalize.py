"""A checkpoint with masks becomes an ordinary one: masks applied for good, nothing else changed.

Tensors are read while the new file is written, piece by piece. A sharded folder becomes one file;
the state of its optimizers is in memory until that is written.
"""

from __future__ import annotations

import copy
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard

from prunetool.checkpoints.folding import Masks, fold, masks_among
from prunetool.checkpoints.lazy import MemoryTensor
from prunetool.checkpoints.masks import MaskKind, is_mask_state, prunetool_masks
from prunetool.checkpoints.progress import Advance, unseen
from prunetool.checkpoints.reader import Checkpoint
from prunetool.checkpoints.sharded.folder import beside_weights
from prunetool.checkpoints.sharded.optimizers import UnknownFormError, optimizer_states
from prunetool.checkpoints.targets import Guard
from prunetool.checkpoints.tensors import NamedTensor
from prunetool.checkpoints.torch_files.archive import Archive
from prunetool.checkpoints.torch_files.checking import torch_file
from prunetool.checkpoints.torch_files.new_tensors import NewTensor
from prunetool.checkpoints.torch_files.recipes import RecipeTensor
from prunetool.checkpoints.wrappers import Way, at_way, other_weights
from prunetool.checkpoints.writing import write_atomically
from prunetool.errors import CheckpointError

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
        copies: the keys of other copies of the weights in which masks were applied.
        left_out: what of the input could not be kept, and why; None if everything was.
    """

    path: Path
    names: tuple[str, ...]
    kind: MaskKind | None
    pruned: int
    elements: int
    copies: tuple[str, ...] = ()
    left_out: str | None = None

    @property
    def sparsity(self) -> float:
        """Fraction of zeros in the masked tensors, in [0, 1]; 0 without any."""
        return self.pruned / self.elements if self.elements else 0.0


def default_target(source: Path) -> Path:
    """Return ``STEM.final.ckpt`` beside ``source``, with its own suffix if it is a file."""
    if source.is_dir():
        return source.with_name(f"{source.name.removesuffix('.ckpt')}.final.ckpt")
    return source.with_name(f"{source.stem}.final{source.suffix or '.ckpt'}")


def bytes_of(checkpoint: Checkpoint, *, weights_only: bool = False) -> int:
    """Say about how many bytes there are to write and to read back."""
    weights = sum({it.identity: it.nbytes for it in checkpoint.tensors.values()}.values())
    return 2 * (weights if weights_only else max(weights, checkpoint.nbytes))


def finalize(
    checkpoint: Checkpoint,
    target: Path | None = None,
    *,
    weights_only: bool = False,
    force: bool = False,
    advance: Advance = unseen,
) -> Finalized:
    """Write ``checkpoint`` with its masks applied for good.

    Args:
        target: the file to write; by default ``STEM.final.ckpt`` beside the input.
        weights_only: leave the state of optimizers, schedulers, loops and callbacks out.
        force: replace ``target`` if it is there; never the input.
        advance: told of the bytes that were written, and of those that were read back.

    Raises:
        CheckpointError: if a mask does not fit, or the input is safetensors.
        OutputError: if ``target`` cannot be written; it is then as it was.
    """
    if checkpoint.format.is_safetensors:
        raise CheckpointError(
            f"{checkpoint.path}: expected a checkpoint of torch or Lightning, found safetensors, "
            f"which prunetool export writes, masks applied: prunetool export {checkpoint.path}"
        )
    target = default_target(checkpoint.path) if target is None else target
    Guard(checkpoint, checkpoint.path, force=force).check([target])
    optimizers, left_out = ({}, None) if weights_only else _gathered_optimizers(checkpoint)
    content = without_masks(checkpoint, weights_only=weights_only)
    archive = Archive({**content, **optimizers} if optimizers else content, checkpoint.protocol)

    write_atomically(torch_file(target, archive, advance=advance))
    return _summary(checkpoint, content, target, left_out)


def _gathered_optimizers(checkpoint: Checkpoint) -> tuple[dict[str, Any], str | None]:
    """Return what of a sharded folder's optimizers goes into a file, or why that cannot be."""
    if checkpoint.shards is None:
        return {}, None
    try:
        states = optimizer_states(checkpoint.shards)
    except UnknownFormError as reason:
        return {}, f"the state of the optimizers: {reason}"
    others = ", ".join(beside_weights(checkpoint.shards))
    left_out = f"what torch.distributed wrote beside the weights: {others}" if others else None
    return {_OPTIMIZERS: states} if states else {}, left_out


def without_masks(checkpoint: Checkpoint, *, weights_only: bool = False) -> Any:
    """Return the content of ``checkpoint`` with all masks applied and dropped."""
    weights = _materialised(at_way(checkpoint.content, checkpoint.weights_way), checkpoint.folded)
    content = _with(checkpoint.content, checkpoint.weights_way, weights)
    if content is weights:
        return content
    for key in _TRAINING_STATE if weights_only else ():
        content.pop(key, None)
    masks = _masks_of_every_copy(checkpoint)
    for key in other_weights(content, checkpoint.weights_way):
        content[key] = _folded_copy(content[key], masks, checkpoint.path)
    if isinstance(live := content.get(_LIVE_COPY), Mapping):
        content[_LIVE_COPY] = _folded_copy(live, masks, checkpoint.path, prefix="")
    if isinstance(callbacks := content.get("callbacks"), Mapping):
        content["callbacks"] = {
            key: _with_averages_folded(state, masks, checkpoint.path)
            for key, state in callbacks.items()
            if not is_mask_state(state)
        }
    return content


def _with(content: Any, way: Way, weights: Any) -> Any:
    """Return a copy of ``content`` with other weights at the end of ``way``."""
    if not way:
        return weights
    changed: Any = copy.copy(content)
    changed[way[0]] = _with(content[way[0]], way[1:], weights)
    return changed


def _masks_of_every_copy(checkpoint: Checkpoint) -> Masks:
    masks = prunetool_masks(checkpoint.content, checkpoint.path)
    for name, found in masks_among(checkpoint.weights, checkpoint.path).items():
        masks.setdefault(name, []).extend(found)
    return masks


def _with_averages_folded(state: Any, masks: Masks, path: Path) -> Any:
    averages = state.get(_AVERAGED_COPY) if isinstance(state, dict) else None
    if not isinstance(averages, Mapping):
        return state
    return {**state, _AVERAGED_COPY: _folded_copy(averages, masks, path)}


def _folded_copy(
    copy_of: Mapping[str, Any], masks: Masks, path: Path, *, prefix: str = _AVERAGED_PREFIX
) -> Any:
    return _materialised(copy_of, fold(copy_of, masks, path=path, prefix=prefix))


def _materialised(stored: Mapping[str, Any], folded: Mapping[str, Any]) -> Any:
    """Apply the masks, into a container like ``stored``; tied tensors stay one tensor.

    A ``state_dict`` carries the versions of its modules in an attribute, which is kept.
    """
    result: Any = copy.copy(stored)
    result.clear()
    applied: dict[Hashable, NewTensor] = {}
    for name, value in folded.items():
        if not isinstance(value, NamedTensor):
            result[name] = value
        elif isinstance(value.stored, MemoryTensor) and not value.masks:
            result[name] = value.stored.tensor
        elif isinstance(value.stored, RecipeTensor) and not value.masks:
            result[name] = value.stored
        else:
            if value.identity not in applied:
                applied[value.identity] = NewTensor(value, value.stored)
            result[name] = applied[value.identity]
    result.update((key, value) for key, value in stored.items() if not isinstance(key, str))
    return result


def _summary(checkpoint: Checkpoint, content: Any, target: Path, left_out: str | None) -> Finalized:
    masked = {name: tensor for name, tensor in checkpoint.tensors.items() if tensor.masks}
    elements = sum({it.identity: it.elements for it in masked.values()}.values())
    written = {it for it in at_way(content, checkpoint.weights_way).values() if _is_masked(it)}
    kept = sum(it.storage.nonzeros for it in written)
    copies = (
        ()
        if not checkpoint.weights_way
        else tuple(
            str(key)
            for key, value in content.items()
            if key != checkpoint.weights_way[0]
            and isinstance(value, Mapping)
            and any(map(_is_masked, value.values()))
        )
    )
    pruned = elements - kept
    return Finalized(target, tuple(masked), checkpoint.masks, pruned, elements, copies, left_out)


def _is_masked(value: Any) -> TypeGuard[NewTensor]:
    return (
        isinstance(value, NewTensor)
        and isinstance(value.values, NamedTensor)
        and bool(value.values.masks)
    )
