"""A report made: the parameters of a checkpoint chosen, then read once and counted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from prunetool.checkpoints.globs import choose
from prunetool.checkpoints.progress import Advance, unseen
from prunetool.checkpoints.reader import Checkpoint, open_checkpoint
from prunetool.checkpoints.sparse.estimate import estimate_sparse_bytes
from prunetool.checkpoints.tensors import NamedTensor
from prunetool.errors import CheckpointError
from prunetool.reports.counting.boxes import FEWEST_DIMS_OF_A_MATRIX
from prunetool.reports.counting.zeros import find_zeros
from prunetool.reports.statistics import Count, Layer, Report, Source


def report_on(
    path: Path,
    *,
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    trust: bool = False,
    advance: Advance = unseen,
) -> Report:
    """Count the zeros in the parameters of a checkpoint, in one pass that keeps nothing.

    Args:
        path: a checkpoint: a file, a folder of one, or a run folder.
        include: globs over parameter names; none means all.
        exclude: globs over parameter names, applied last.
        trust: whether to run what a pickle in it asks for.
        advance: told the bytes of the tensors as they are gone through.

    Raises:
        CheckpointError: if the file cannot be read.
        OptionError: if a glob matches nothing.
    """
    return choose_parameters(path, include=include, exclude=exclude, trust=trust).report(advance)


@dataclass(frozen=True)
class Chosen:
    """The parameters of a checkpoint that a report is to be about, not read yet.

    Attributes:
        unread: weights that cannot be: objects of classes that are not built here.
    """

    source: Source
    tensors: tuple[NamedTensor, ...]
    complete: bool
    unread: tuple[str, ...] = ()

    @property
    def nbytes(self) -> int:
        """Bytes that a report goes through."""
        return sum(tensor.nbytes for tensor in self.tensors)

    def report(self, advance: Advance = unseen) -> Report:
        """Read them, and count; see ``report_on``."""
        layers = tuple(
            _layer(it, file_has_masks=self.source.masks is not None, advance=advance)
            for it in self.tensors
        )
        return Report(self.source, layers, complete=self.complete)


def choose_parameters(
    path: Path, *, include: Sequence[str] = (), exclude: Sequence[str] = (), trust: bool = False
) -> Chosen:
    """Open a checkpoint and choose from its parameters; arguments and errors as ``report_on``."""
    checkpoint = open_checkpoint(path, trust=trust)
    parameters = _parameters(checkpoint)
    chosen = choose(parameters, include=include, exclude=exclude)
    source = Source(
        path=str(checkpoint.path),
        format=checkpoint.format,
        masks=None if checkpoint.masks is None else str(checkpoint.masks),
    )
    return Chosen(
        source,
        tuple(parameters[name] for name in chosen),
        complete=len(chosen) == len(parameters),
        unread=checkpoint.unread,
    )


def _parameters(checkpoint: Checkpoint) -> dict[str, NamedTensor]:
    """Return every parameter tensor once, under its first name."""
    seen = set()
    found = {}
    for name, tensor in checkpoint.tensors.items():
        if checkpoint.is_parameter(name) and tensor.identity not in seen:
            seen.add(tensor.identity)
            found[name] = tensor
    if not found:
        raise CheckpointError(
            f"{checkpoint.path}: expected parameters, found only buffers "
            f"({', '.join(list(checkpoint.tensors)[:3])}); nothing to report"
        )
    return found


def _layer(tensor: NamedTensor, *, file_has_masks: bool, advance: Advance) -> Layer:
    zeros = find_zeros(tensor.flat, tensor.shape, advance=advance)
    is_matrix = tensor.dtype.is_floating_point and len(tensor.shape) >= FEWEST_DIMS_OF_A_MATRIX
    masked = bool(tensor.masks)
    sparse_bytes = estimate_sparse_bytes(
        tensor.shape,
        itemsize=tensor.dtype.itemsize,
        nonzeros=tensor.elements - zeros.count,
        dead_channels=zeros.dead_channels,
    )
    return Layer(
        name=tensor.name,
        shape=tuple(tensor.shape),
        dtype=str(tensor.dtype).removeprefix("torch."),
        count=Count(tensor.elements, zeros.count),
        masked=masked,
        prunable=masked if file_has_masks else is_matrix,
        pattern=zeros.pattern,
        bytes=tensor.nbytes,
        sparse_bytes=sparse_bytes,
        dead_channels=zeros.dead_channels,
    )
