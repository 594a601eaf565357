"""From a checkpoint to safetensors: the plain model's tensors, masks applied, nothing else."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from prunetool.checkpoints.globs import choose
from prunetool.checkpoints.reader import Checkpoint
from prunetool.checkpoints.safetensors_file import (
    Entry,
    can_hold,
    check_safetensors,
    write_safetensors,
)
from prunetool.checkpoints.sharding import index, index_path, shard_paths, shards
from prunetool.checkpoints.tensors import NamedTensor
from prunetool.checkpoints.writing import NewFile, check_target, write_atomically
from prunetool.errors import CheckpointError, OptionError

DEFAULT_SHARD_SIZE = 5 * 10**9  # bytes


@dataclass(frozen=True)
class Exported:
    """What was written.

    Attributes:
        paths: the files, the index of shards last.
        tensors: how many tensors they hold, tied ones once.
        input_bytes: size of the input, optimizer state and all.
        weight_bytes: size of the exported tensors as the input stores them, tied ones once.
        output_bytes: size of all written files.
    """

    paths: tuple[Path, ...]
    tensors: int
    input_bytes: int
    weight_bytes: int
    output_bytes: int


@dataclass(frozen=True)
class Selection:
    """What to export and under which names.

    Attributes:
        include: globs over the names in the checkpoint; none means all.
        exclude: globs over the names in the checkpoint, applied last.
        strip_prefix: taken off the names that begin with it.
        dtype: what floating tensors are converted to; None leaves them.
    """

    include: Sequence[str] = ()
    exclude: Sequence[str] = ()
    strip_prefix: str = ""
    dtype: torch.dtype | None = None


def default_target(source: Path) -> Path:
    """Return ``STEM.safetensors`` beside ``source``."""
    return source.with_suffix(".safetensors")


def export(
    checkpoint: Checkpoint,
    target: Path | None = None,
    *,
    selection: Selection = Selection(),
    largest_shard: int = DEFAULT_SHARD_SIZE,
    force: bool = False,
) -> Exported:
    """Write the tensors of ``checkpoint`` as safetensors; the same input gives the same bytes.

    Args:
        target: the file to write, by default ``STEM.safetensors`` beside the input; shards
            and their index are named after it.
        largest_shard: bytes of values in one file.
        force: replace files that are there; never the input.

    Raises:
        OptionError: if a glob or prefix matches nothing, or values do not fit the dtype.
        CheckpointError: if a mask or a tensor cannot be used.
        OutputError: if a file cannot be written; all are then as they were.
    """
    target = default_target(checkpoint.path) if target is None else target
    chosen = {name: checkpoint.tensors[name] for name in _chosen_names(checkpoint, selection)}
    new_names = _new_names(chosen, selection.strip_prefix)
    first, aliases = _first_of_tied(chosen)
    entries = [_entry(new_names[name], chosen[name], selection.dtype) for name in first]
    parts = shards(entries, largest=largest_shard)
    files = _files(parts, target, {new_names[it]: new_names[of] for it, of in aliases.items()})
    for path in {target, *(file.target for file in files)}:
        check_target(path, source=checkpoint.path, force=force)
    write_atomically(*files)
    if len(parts) > 1:
        # An older export in one file would be read in place of the shards.
        target.unlink(missing_ok=True)
    return Exported(
        paths=tuple(file.target for file in files),
        tensors=len(entries),
        input_bytes=checkpoint.nbytes,
        weight_bytes=sum(chosen[name].nbytes for name in first),
        output_bytes=sum(file.target.stat().st_size for file in files),
    )


def _chosen_names(checkpoint: Checkpoint, selection: Selection) -> list[str]:
    return choose(checkpoint.tensors, include=selection.include, exclude=selection.exclude)


def _new_names(names: Mapping[str, NamedTensor], prefix: str) -> dict[str, str]:
    if prefix and not any(name.startswith(prefix) for name in names):
        raise OptionError(
            f"--strip-prefix {prefix}: no tensor begins with it; the first is '{next(iter(names))}'"
        )
    stripped = {name: name.removeprefix(prefix) for name in names}
    of_new: dict[str, str] = {}
    for name, new in stripped.items():
        if not new or new in of_new:
            taken = f"and '{of_new[new]}' become '{new}'" if new else "is left without a name"
            raise OptionError(f"--strip-prefix {prefix}: '{name}' {taken}; choose another prefix")
        of_new[new] = name
    return stripped


def _first_of_tied(tensors: Mapping[str, NamedTensor]) -> tuple[list[str], dict[str, str]]:
    """Split names into the first of each tensor, and the others with the first that they mean."""
    first: dict[Hashable, str] = {}
    for name, tensor in tensors.items():
        first.setdefault(tensor.identity, name)
    kept = list(first.values())
    others = {name: first[it.identity] for name, it in tensors.items()}
    return kept, {name: of for name, of in others.items() if name != of}


def _entry(name: str, tensor: NamedTensor, dtype: torch.dtype | None) -> Entry:
    wanted = dtype if dtype is not None and tensor.dtype.is_floating_point else tensor.dtype
    if not can_hold(wanted):
        raise CheckpointError(
            f"{tensor.name}: safetensors has no {str(wanted).removeprefix('torch.')}; "
            f"leave it out with --exclude '{tensor.name}'"
        )
    return Entry(name, wanted, tensor.shape, lambda: _converted(tensor, wanted))


def _converted(tensor: NamedTensor, dtype: torch.dtype) -> Tensor:
    values = tensor.read()
    converted = values.to(dtype)
    if values.dtype != dtype and not torch.equal(values.isfinite(), converted.isfinite()):
        raise OptionError(
            f"--dtype {str(dtype).removeprefix('torch.')}: {tensor.name} has values up to "
            f"{float(values.abs().max()):.3g}, which become infinite; try bfloat16 or float32"
        )
    return converted


def _files(
    parts: Sequence[Sequence[Entry]], target: Path, aliases: Mapping[str, str]
) -> list[NewFile]:
    paths = shard_paths(target, len(parts))
    files = [_shard_file(path, part, aliases) for path, part in zip(paths, parts, strict=True)]
    if len(files) > 1:
        text = index(parts, paths)
        files.append(NewFile(index_path(target), lambda file: file.write(text)))
    return files


def _shard_file(path: Path, part: Sequence[Entry], aliases: Mapping[str, str]) -> NewFile:
    names = {entry.name for entry in part}
    # As the safetensors library notes tied tensors: the name left out, and the one it means.
    metadata = {"format": "pt"} | {name: of for name, of in aliases.items() if of in names}
    return NewFile(
        path,
        lambda file: write_safetensors(file, part, metadata=metadata),
        lambda written: check_safetensors(written, part, target=path),
    )
