"""Opening a checkpoint: what kind it is, its tensors by name, and which of them are parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from prunetool.checkpoints.containers import Container, container_of
from prunetool.checkpoints.folding import check_masks_have_tensors, fold
from prunetool.checkpoints.lazy import as_lazy
from prunetool.checkpoints.locating import locate_checkpoint
from prunetool.checkpoints.masks import MARKER, MaskKind, prunetool_masks
from prunetool.checkpoints.sharded_files import ShardFiles
from prunetool.checkpoints.sharded_folder import open_folder
from prunetool.checkpoints.tensors import NamedTensor
from prunetool.checkpoints.torch_zip import read_torch_zip
from prunetool.errors import CheckpointError

LIGHTNING_MARK = "pytorch-lightning_version"
WEIGHTS = "state_dict"
_STATISTICS = ("running_mean", "running_var", "num_batches_tracked")


@dataclass(frozen=True)
class Checkpoint:
    """A file, or a sharded folder, with weights, opened and not read.

    Attributes:
        path: the file or sharded folder itself, where a run folder was given too.
        format: ``"lightning"``, ``"state_dict"`` or ``"sharded"``.
        content: all that it holds, but for the optimizers of a sharded folder; what is neither
            a tensor nor a plain container is a stand-in (``standins.py``), and tensors of a
            sharded folder are LazyTensors. Never change it or its tensors in place.
        protocol: the pickle protocol to write ``content`` back with.
        nbytes: size on the disk.
        shards: where a sharded folder's other entries are read from; None for a file.
    """

    path: Path
    format: str
    content: Any
    protocol: int
    nbytes: int
    shards: ShardFiles | None = None

    @property
    def weights(self) -> Mapping[str, Any]:
        """The ``state_dict`` as it is stored."""
        return _weights_in(self.content)

    @cached_property
    def folded(self) -> dict[str, Any]:
        """The ``state_dict`` of the plain model: NamedTensors, and other values as they are."""
        masks = prunetool_masks(self.content, self.path)
        folded = fold(self.weights, masks, path=self.path)
        check_masks_have_tensors(masks, folded, self.path)
        return folded

    @cached_property
    def tensors(self) -> dict[str, NamedTensor]:
        """All tensors, parameters and buffers, by plain name, in the file's order."""
        return {name: it for name, it in self.folded.items() if isinstance(it, NamedTensor)}

    @cached_property
    def masks(self) -> MaskKind | None:
        """Who wrote the masks in the file; prunetool where both did; None without masks."""
        kinds = set().union(*(tensor.kinds for tensor in self.tensors.values()))
        return next((kind for kind in MaskKind if kind in kinds), None)

    @cached_property
    def _recorded_parameters(self) -> frozenset[str] | None:
        record = self.content.get(MARKER) if isinstance(self.content, Mapping) else None
        names = record.get("parameters") if isinstance(record, Mapping) else None
        return frozenset(names) if isinstance(names, list) else None

    def is_parameter(self, name: str) -> bool:
        """Say whether the tensor of this plain name is a parameter, not a buffer.

        prunetool's checkpoints record it. In other files the statistics of normalisation
        layers and all integer and bool tensors are taken for buffers.
        """
        recorded = self._recorded_parameters
        if recorded is not None:
            return name in recorded or f"{name}_orig" in recorded
        dtype: torch.dtype = self.tensors[name].dtype
        is_statistic = name.rpartition(".")[2] in _STATISTICS
        return not is_statistic and (dtype.is_floating_point or dtype.is_complex)


def open_checkpoint(path: Path) -> Checkpoint:
    """Open the checkpoint at ``path``: a file, a sharded folder or a run folder; nothing is run.

    Raises:
        CheckpointError: if there is none, or it is of another kind, or damaged.
    """
    found = locate_checkpoint(path)
    checkpoint = _open_folder(found) if found.is_dir() else _open_file(found)
    if not any(as_lazy(value) is not None for value in checkpoint.weights.values()):
        raise CheckpointError(
            f"{found}: no tensors inside: expected a Lightning checkpoint or a state_dict, "
            f"found {_summary(checkpoint.content)}"
        )
    return checkpoint


def _open_file(file: Path) -> Checkpoint:
    _check_container(file)
    archive = read_torch_zip(file)
    is_lightning = isinstance(archive.content, Mapping) and LIGHTNING_MARK in archive.content
    kind = "lightning" if is_lightning else WEIGHTS
    return Checkpoint(file, kind, archive.content, archive.protocol, file.stat().st_size)


def _open_folder(path: Path) -> Checkpoint:
    folder = open_folder(path)
    content = {**folder.meta, WEIGHTS: folder.weights}
    return Checkpoint(path, "sharded", content, folder.protocol, folder.nbytes, folder.files)


def _check_container(path: Path) -> None:
    try:
        container = container_of(path)
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read: {error.strerror}; check it") from error
    if container is Container.TORCH_ZIP:
        return
    match container:
        case Container.SAFETENSORS | Container.LEGACY_TORCH:
            advice = "reading these is not supported yet: load it in Python and torch.save it again"
        case Container.EMPTY | Container.HTML | Container.TEXT:
            advice = "download or copy it again"
        case _:
            advice = "check the path"
    raise CheckpointError(
        f"{path}: expected a checkpoint that torch.save wrote, found {container.value}; {advice}"
    )


def _weights_in(content: Any) -> Mapping[str, Any]:
    if not isinstance(content, Mapping):
        return {}
    weights = content.get(WEIGHTS, content)
    if not isinstance(weights, Mapping) or not all(isinstance(key, str) for key in weights):
        return {}
    return weights


def _summary(content: Any) -> str:
    if isinstance(content, Mapping):
        keys = [str(key) for key in content][:6]
        return f"a dict with the keys {', '.join(keys)}" if keys else "an empty dict"
    return f"a {type(content).__name__}"
