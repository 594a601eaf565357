"""A sharded checkpoint folder, as Lightning writes it: a model's tensors, and everything else.

===========================  ====================================================================
``.metadata``                which tensors there are and where their chunks lie
``__RANK_N.distcp``          the chunks, one ``torch.save`` blob after the other
``meta.pt``                  the checkpoint without weights and optimizers: a torch file
===========================  ====================================================================

The keys of the model's tensors begin with ``state_dict`` (ModelParallelStrategy) or ``model``
(FSDPStrategy), those of the optimizers with ``optimizer_0``, ``optimizer_1`` ...
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prunetool.checkpoints.lazy import LazyTensor
from prunetool.checkpoints.masks import MARKER
from prunetool.checkpoints.nesting import nest
from prunetool.checkpoints.sharded_files import ShardFiles, check_files
from prunetool.checkpoints.sharded_index import KeyPath
from prunetool.checkpoints.sharded_metadata import read_index
from prunetool.checkpoints.torch_zip import read_torch_zip
from prunetool.errors import CheckpointError

META = "meta.pt"
_ROOTS = ("state_dict", "model")
_TIED = "tied"  # in prunetool's record: {other name: first name}
# What prunetool's callback keeps beside the weights, under names that no tensor of a model has.
_NO_WEIGHTS = re.compile(rf"{MARKER}\.(early|original|gathered)\.")


@dataclass(frozen=True)
class ShardedFolder:
    """An opened folder.

    Attributes:
        weights: by name, in the model's order: LazyTensors, and any other value as it is.
        meta: the content of ``meta.pt``.
        protocol: the pickle protocol of ``meta.pt``.
        files: the source of everything but ``meta``.
        nbytes: size of all files.
    """

    weights: Mapping[str, Any]
    meta: dict[Any, Any]
    protocol: int
    files: ShardFiles
    nbytes: int


def open_folder(folder: Path) -> ShardedFolder:
    """Open a sharded folder; no tensor is read, and nothing in it is run.

    Raises:
        CheckpointError: if it is not complete, not one of Lightning's, or damaged.
    """
    index = read_index(folder)
    size = check_files(folder, index)
    meta_file = folder / META
    if not meta_file.is_file():
        raise CheckpointError(
            f"{folder}: a sharded folder without {META}, which Lightning writes last; the folder "
            "is incomplete: use another checkpoint"
        )
    archive = read_torch_zip(meta_file)
    if not isinstance(archive.content, dict):
        raise CheckpointError(
            f"{meta_file}: expected a dict, found a {type(archive.content).__name__}; "
            "copy the folder again"
        )
    files = ShardFiles(folder, index)
    weights = _weights(files)
    _tie(weights, archive.content)
    size += meta_file.stat().st_size
    return ShardedFolder(weights, archive.content, archive.protocol, files, size)


def _weights(files: ShardFiles) -> dict[str, Any]:
    """Find the model's tensors; a dict among them is there in parts."""
    weights: dict[str, Any] = {}
    apart: dict[str, list[tuple[KeyPath, str]]] = {}
    for key, path in _below_root(files).items():
        name, rest = str(path[0]), path[1:]
        entry = files.index.entries[key]
        if rest:
            apart.setdefault(name, []).append((rest, key))
        elif entry is None:
            weights[name] = files.read_object(key)
        else:
            weights[name] = files.tensor(key)
    for name, parts in apart.items():
        weights[name] = _put_together(files, parts)
    return weights


def _below_root(files: ShardFiles) -> dict[str, KeyPath]:
    """Return the keys of the model's entries, each with its path below the root."""
    paths = {key: _split_first(path) for key, path in files.index.paths.items()}
    roots = dict.fromkeys(str(path[0]) for path in paths.values() if len(path) > 1)
    root = next((it for it in _ROOTS if it in roots), None)
    if root is None:
        raise CheckpointError(
            f"{files.folder}: expected entries under {' or '.join(_ROOTS)}, as Lightning writes "
            f"them, found {', '.join(list(roots)[:3]) or 'none'}; save it with Lightning"
        )
    below = {key: path[1:] for key, path in paths.items() if path[0] == root and len(path) > 1}
    kept = {key: path for key, path in below.items() if not _is_prunetools(path)}
    files.check(kept)
    return kept


def _split_first(path: KeyPath) -> KeyPath:
    """Separate the root where a flat dict was saved."""
    root, dot, name = str(path[0]).partition(".")
    return (root, name) if len(path) == 1 and dot else path


def _is_prunetools(path: KeyPath) -> bool:
    return _NO_WEIGHTS.match(".".join(map(str, path))) is not None


def _put_together(files: ShardFiles, parts: list[tuple[KeyPath, str]]) -> Any:
    try:
        return nest((path, files.read(key)) for path, key in parts)
    except ValueError as error:
        raise CheckpointError(
            f"{files.folder}: {parts[0][1]}: {error}; the folder is inconsistent"
        ) from error


def _tie(weights: dict[str, Any], meta: Mapping[Any, Any]) -> None:
    """Make tied names one tensor, where prunetool's record says so: shards are written by name."""
    record = meta.get(MARKER)
    tied = record.get(_TIED) if isinstance(record, Mapping) else None
    for alias, first in tied.items() if isinstance(tied, Mapping) else ():
        one, other = weights.get(first), weights.get(alias)
        if (
            isinstance(one, LazyTensor)
            and isinstance(other, LazyTensor)
            and (one.shape, one.dtype) == (other.shape, other.dtype)
        ):
            weights[alias] = one
