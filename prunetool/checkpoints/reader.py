"""Opening a checkpoint: what kind it is, its tensors by name, and which of them are parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from prunetool.checkpoints.folding import check_masks_have_tensors, fold
from prunetool.checkpoints.formats import Format
from prunetool.checkpoints.locating import locate_checkpoint
from prunetool.checkpoints.masks import MARKER, MaskKind, prunetool_masks
from prunetool.checkpoints.names import STATISTICS, check_names
from prunetool.checkpoints.opening import Opened, open_file
from prunetool.checkpoints.prefixes import without_prefixes
from prunetool.checkpoints.sharded.files import ShardFiles
from prunetool.checkpoints.sharded.folder import open_folder
from prunetool.checkpoints.tensors import NamedTensor
from prunetool.checkpoints.torch_files.standins import Made
from prunetool.checkpoints.wrappers import WEIGHTS, Way, at_way, is_weights
from prunetool.errors import CheckpointError

__all__ = ["WEIGHTS", "Checkpoint", "open_checkpoint"]


@dataclass(frozen=True)
class Checkpoint:
    """A file, or a folder, with weights, opened and not read.

    Attributes:
        path: the file itself, where a run folder was given too; the folder, where the weights
            are in several files.
        format: what it is.
        content: all that it holds, but for the optimizers of a sharded folder; tensors are lazy,
            and what is neither a tensor nor a plain container is a stand-in
            (``torch_files/standins.py``). Never change it in place.
        protocol: the pickle protocol to write ``content`` back with.
        nbytes: size on the disk.
        shards: where a sharded folder's other entries are read from; None for anything else.
        weights_way: the keys that lead from ``content`` to the weights; none if it is these.
        metadata: what safetensors files say beside their tensors.
        files: all files that it is read from.
    """

    path: Path
    format: Format
    content: Any
    protocol: int
    nbytes: int
    shards: ShardFiles | None = None
    weights_way: Way = (WEIGHTS,)
    metadata: Mapping[str, str] = field(default_factory=dict)
    files: tuple[Path, ...] = ()

    @cached_property
    def weights(self) -> Mapping[str, Any]:
        """The ``state_dict`` as it is stored."""
        return at_way(self.content, self.weights_way)

    @cached_property
    def folded(self) -> dict[str, Any]:
        """The ``state_dict`` without masks: NamedTensors, and other values as they are.

        Names have what wrappers around the model put in front: it is needed to load them again.
        """
        masks = prunetool_masks(self.content, self.path)
        check_names(masks, self.path)
        folded = fold(self.weights, masks, path=self.path)
        check_masks_have_tensors(masks, folded, self.path)
        return folded

    @cached_property
    def tensors(self) -> dict[str, NamedTensor]:
        """All tensors, parameters and buffers, by plain name, in the file's order."""
        return {it.name: it for it in self.stored_tensors.values()}

    @cached_property
    def stored_tensors(self) -> dict[str, NamedTensor]:
        """The same by the names that the model is loaded by, see ``prefixes.py``."""
        found = {name: it for name, it in self.folded.items() if isinstance(it, NamedTensor)}
        own_module = self.format.is_lightnings
        plain = without_prefixes(found.keys(), own_module=own_module)
        return {name: replace(it, name=plain[name]) for name, it in found.items()}

    @cached_property
    def unread(self) -> tuple[str, ...]:
        """The names of the weights whose values are objects of classes that are not built here."""
        return tuple(name for name, it in self.folded.items() if isinstance(it, Made))

    @cached_property
    def _stored_names(self) -> dict[str, str]:
        return {tensor.name: name for name, tensor in self.stored_tensors.items()}

    @cached_property
    def masks(self) -> MaskKind | None:
        """Who wrote the masks in the file; prunetool where both did; None without masks."""
        kinds = set().union(*(tensor.kinds for tensor in self.tensors.values()))
        return next((kind for kind in MaskKind if kind in kinds), None)

    @cached_property
    def _recorded_parameters(self) -> frozenset[str] | None:
        record = self.content.get(MARKER) if isinstance(self.content, Mapping) else None
        names = record.get("parameters") if isinstance(record, Mapping) else None
        if not isinstance(names, list):
            return None
        return frozenset(name for name in names if isinstance(name, str))

    def is_parameter(self, name: str) -> bool:
        """Say whether the tensor of this plain name is a parameter, not a buffer.

        prunetool's checkpoints record it. In other files the statistics of normalisation
        layers and all integer and bool tensors are taken for buffers.
        """
        recorded = self._recorded_parameters
        if recorded is not None:
            stored = self._stored_names[name]
            return stored in recorded or f"{stored}_orig" in recorded
        dtype: torch.dtype = self.tensors[name].dtype
        is_statistic = name.rpartition(".")[2] in STATISTICS
        return not is_statistic and (dtype.is_floating_point or dtype.is_complex)


def open_checkpoint(path: Path, *, trust: bool = False) -> Checkpoint:
    """Open the checkpoint at ``path``: a file, a folder of one, or a run folder; nothing is run.

    Args:
        trust: unpickle torch files for real, which runs whatever they say.

    Raises:
        CheckpointError: if there is none, or it is of another kind, or damaged.
    """
    found = locate_checkpoint(path)
    opened, shards = (
        _open_folder(found, trust) if found.is_dir() else (open_file(found, trust=trust), None)
    )
    checkpoint = Checkpoint(
        opened.path,
        opened.format,
        opened.content,
        opened.protocol,
        opened.nbytes,
        shards,
        opened.way,
        opened.metadata,
        opened.files,
    )
    check_names(checkpoint.weights, found)
    return checkpoint


def _open_folder(path: Path, trust: bool) -> tuple[Opened, ShardFiles]:
    folder = open_folder(path, trust=trust)
    content = {**folder.meta, WEIGHTS: folder.weights}
    if not is_weights(folder.weights):
        raise CheckpointError(f"{path}: no tensors inside; expected those of a model")
    files = tuple(sorted(it for it in path.iterdir() if it.is_file()))
    opened = Opened(path, Format.SHARDED, content, folder.nbytes, files, protocol=folder.protocol)
    return opened, folder.files
