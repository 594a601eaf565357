"""A sharded checkpoint folder, as Lightning writes it: a model's tensors, and everything else.

===========================  ====================================================================
``.metadata``                which tensors there are and where their chunks lie
``__RANK_N.distcp``          the chunks, one ``torch.save`` blob after the other
``meta.pt``                  the checkpoint without weights and optimizers: a torch file
===========================  ====================================================================

The keys of the model's tensors begin with ``state_dict`` (ModelParallelStrategy) or ``model``
(FSDPStrategy), those of the optimizers with ``optimizer_0``, ``optimizer_1`` ... A folder that
torch.distributed wrote by itself has no ``meta.pt``, and its weights where its user put them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prunetool.checkpoints.lazy import LazyTensor
from prunetool.checkpoints.masks import MARKER
from prunetool.checkpoints.names import shown
from prunetool.checkpoints.sharded.files import ShardFiles, check_files
from prunetool.checkpoints.sharded.index import KeyPath
from prunetool.checkpoints.sharded.metadata import read_index
from prunetool.checkpoints.sharded.nesting import nest
from prunetool.checkpoints.torch_files.archive import Archive
from prunetool.checkpoints.torch_files.reading import read_torch
from prunetool.errors import CheckpointError

META = "meta.pt"
_ROOTS = ("state_dict", "model")
_LIGHTNINGS_ALONE = re.compile(r"state_dict|optimizer_\d+")  # a first key that Lightning gives
_OPTIMIZERS = re.compile(r"optim")
_DEEPEST_ROOT = 3  # keys in front of the names: {"app": {"model": ...}} in torch's examples
_PROTOCOL = 2
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


def open_folder(folder: Path, *, trust: bool = False) -> ShardedFolder:
    """Open a sharded folder; no tensor is read, and nothing in it is run.

    Args:
        trust: unpickle ``meta.pt`` for real, which runs whatever it says; never the shards.

    Raises:
        CheckpointError: if it is not complete, not one of Lightning's, or damaged.
    """
    index = read_index(folder)
    size = check_files(folder, index)
    files = ShardFiles(folder, index)
    archive, meta_size = _meta(files, trust)
    root = _root(files)
    if not root and meta_size:
        found = ", ".join(shown(it) for it in sorted(_first_keys(files))[:3]) or "none"
        raise CheckpointError(
            f"{folder}: expected entries under {' or '.join(_ROOTS)}, as Lightning writes them "
            f"beside {META}, found {found}; save it with Lightning"
        )
    weights = _weights(files, root)
    _tie(weights, archive.content)
    return ShardedFolder(weights, archive.content, archive.protocol, files, size + meta_size)


def _meta(files: ShardFiles, trust: bool) -> tuple[Archive, int]:
    """Read what lies beside the shards, and its size; nothing, where Lightning had no part."""
    file = files.folder / META
    if not file.is_file():
        if any(_LIGHTNINGS_ALONE.fullmatch(root) for root in _first_keys(files)):
            raise CheckpointError(
                f"{files.folder}: a sharded folder without {META}, which Lightning writes last; "
                "the folder is incomplete: use another checkpoint"
            )
        return Archive({}, _PROTOCOL), 0
    archive = read_torch(file, trust=trust)
    if not isinstance(archive.content, dict):
        raise CheckpointError(
            f"{file}: expected a dict, found a {type(archive.content).__name__}; "
            "copy the folder again"
        )
    return archive, file.stat().st_size


def _weights(files: ShardFiles, root: KeyPath) -> dict[str, Any]:
    """Find the model's tensors; a dict among them is there in parts."""
    weights: dict[str, Any] = {}
    apart: dict[str, list[tuple[KeyPath, str]]] = {}
    for key, path in _below(files, root).items():
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


def _root(files: ShardFiles) -> KeyPath:
    """Find the keys that lead to the model's entries; none if these are all that there is."""
    paths = [_split_first(path) for path in files.index.paths.values()]
    for depth in range(1, _DEEPEST_ROOT + 1):
        roots = dict.fromkeys(path[:depth] for path in paths if len(path) > depth)
        for name in _ROOTS:
            found = next((root for root in roots if root[-1] == name), None)
            if found is not None:
                return found
    return ()


def _below(files: ShardFiles, root: KeyPath) -> dict[str, KeyPath]:
    """Return the keys of the model's entries, each with its path below the root."""
    found = files.index.paths
    if root:
        split = {key: _split_first(path) for key, path in found.items()}
        depth = len(root)
        below = {k: it[depth:] for k, it in split.items() if it[:depth] == root and it[depth:]}
    else:
        below = {k: it for k, it in found.items() if not _OPTIMIZERS.match(str(it[0]))}
    kept = {key: path for key, path in below.items() if not _is_prunetools(path)}
    files.check(kept)
    return kept


def _first_keys(files: ShardFiles) -> set[str]:
    return {str(_split_first(path)[0]) for path in files.index.paths.values()}


def beside_weights(files: ShardFiles) -> list[str]:
    """Name what a folder holds beside the weights, but for the optimizers of Lightning."""
    root = _root(files)
    others = _first_keys(files) - {str(key) for key in root[:1]}
    if not root:
        others = {key for key in others if _OPTIMIZERS.match(key)}
    return sorted(key for key in others if not _LIGHTNINGS_ALONE.fullmatch(key))


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
        if not isinstance(first, str) or not isinstance(alias, str):
            continue
        one, other = weights.get(first), weights.get(alias)
        if (
            isinstance(one, LazyTensor)
            and isinstance(other, LazyTensor)
            and (one.shape, one.dtype) == (other.shape, other.dtype)
        ):
            weights[alias] = one
