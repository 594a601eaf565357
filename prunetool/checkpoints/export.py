"""From a checkpoint to safetensors: the plain model's tensors, masks applied, nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from prunetool.checkpoints.conversion import Conversion, conversion_of
from prunetool.checkpoints.progress import Advance, unseen
from prunetool.checkpoints.provenance import FORMAT, SPARSE, Provenance
from prunetool.checkpoints.reader import Checkpoint
from prunetool.checkpoints.safetensors_files.shard_file import ShardFile
from prunetool.checkpoints.safetensors_files.sharding import index, index_path, shard_paths, shards
from prunetool.checkpoints.selection import EVERYTHING, Chosen, Selection, select
from prunetool.checkpoints.sparse.choice import Sizes, choose_layouts
from prunetool.checkpoints.sparse.metadata import described
from prunetool.checkpoints.sparse.stream import SparseStream
from prunetool.checkpoints.streams import DenseStream, Stream
from prunetool.checkpoints.targets import Guard, default_target, input_of, leftovers
from prunetool.checkpoints.writing import NewFile, write_atomically

DEFAULT_SHARD_SIZE = 5 * 10**9  # bytes


@dataclass(frozen=True)
class Exported:
    """What was written.

    Attributes:
        paths: the files, the index of shards last.
        removed: files of an older export of the same name that would be in the way.
        tensors: how many tensors they hold, tied ones once.
        input_bytes: size of the input, optimizer state and all.
        weight_bytes: size of the exported tensors as the input stores them, tied ones once.
        output_bytes: size of all written files.
        sizes: of a sparse export, what its tensors take otherwise.
    """

    paths: tuple[Path, ...]
    removed: tuple[Path, ...]
    tensors: int
    input_bytes: int
    weight_bytes: int
    output_bytes: int
    sizes: Sizes | None = None


def export(
    checkpoint: Checkpoint,
    target: Path | None = None,
    *,
    given: Path | None = None,
    selection: Selection = EVERYTHING,
    sparse: bool = False,
    largest_shard: int = DEFAULT_SHARD_SIZE,
    force: bool = False,
    advance: Advance = unseen,
) -> Exported:
    """Write the tensors of ``checkpoint`` as safetensors; the same input gives the same bytes.

    Only pieces of tensors are in memory. A sparse export reads everything twice.

    Args:
        target: the file to write, by default named after the input and beside it; shards
            and their index are named after it.
        given: what ``checkpoint`` was opened from, such as a folder that its file is in.
        sparse: store the tensors that gain by it as bits and values.
        largest_shard: bytes of values in one file.
        force: replace files that are there; never the input.
        advance: told how many bytes of tensors have been gone through, of
            :func:`bytes_to_go_through`.

    Raises:
        OptionError: if a glob or prefix matches nothing, or values do not fit the dtype.
        CheckpointError: if a mask or a tensor cannot be used.
        OutputError: if a file cannot be written; all are then as they were.
    """
    source = input_of(checkpoint, given)
    target = default_target(source, sparse=sparse) if target is None else target
    chosen = select(checkpoint.tensors, selection)
    conversions = {
        name: conversion_of(tensor, selection.dtype, positive_zeros=selection.positive_zeros)
        for name, tensor in chosen.tensors.items()
    }
    guard = Guard(checkpoint, source, force=force)
    guard.check([target])
    streams, sizes = _streams(conversions, chosen, sparse=sparse, advance=advance)
    parts = shards(streams, largest=largest_shard)
    provenance = Provenance(chosen.tied, chosen.once(checkpoint.is_parameter))
    files = _files(parts, target, chosen, provenance, sparse=sparse, advance=advance)
    paths = [file.target for file in files]
    removed = leftovers(target, paths) if force else []
    guard.check([*paths, *removed])
    write_atomically(*files)
    for path in removed:
        path.unlink(missing_ok=True)
    return Exported(
        paths=tuple(paths),
        removed=tuple(removed),
        tensors=len(streams),
        input_bytes=checkpoint.nbytes,
        weight_bytes=chosen.nbytes,
        output_bytes=sum(path.stat().st_size for path in paths),
        sizes=sizes,
    )


def bytes_to_go_through(
    checkpoint: Checkpoint, selection: Selection = EVERYTHING, *, sparse: bool = False
) -> int:
    """Return how many bytes of tensors :func:`export` will tell to have gone through."""
    passes = 2 if sparse else 1
    return passes * select(checkpoint.tensors, selection).nbytes


def _streams(
    conversions: dict[str, Conversion], chosen: Chosen, *, sparse: bool, advance: Advance
) -> tuple[list[Stream], Sizes | None]:
    if not sparse:
        return [DenseStream(name, it) for name, it in conversions.items()], None
    layouts, sizes = choose_layouts(conversions, taken=chosen.aliases, advance=advance)
    streams: list[Stream] = []
    for name, conversion in conversions.items():
        if name in layouts:
            streams.append(SparseStream(name, conversion, layouts[name]))
        else:
            streams.append(DenseStream(name, conversion))
    return streams, sizes


def _files(
    parts: Sequence[Sequence[Stream]],
    target: Path,
    chosen: Chosen,
    provenance: Provenance,
    *,
    sparse: bool,
    advance: Advance,
) -> list[NewFile]:
    paths = shard_paths(target, len(parts))
    files = []
    for path, part in zip(paths, parts, strict=True):
        names = {stream.name for stream in part}
        # As the safetensors library notes tied tensors: the name left out, and the one it means.
        metadata = {name: of for name, of in chosen.aliases.items() if of in names}
        metadata[FORMAT] = "pt"
        if sparse:
            metadata[SPARSE] = described(part)
        shard = ShardFile(path, part, metadata=metadata, provenance=provenance, advance=advance)
        files.append(shard.new_file())
    if len(files) > 1:
        text = index(parts, paths)
        files.append(NewFile(index_path(target), lambda file: file.write(text)))
    return files
