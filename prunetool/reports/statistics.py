"""What there is to know about the sparsity of a checkpoint, tensor by tensor and in total."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from torch import Tensor

from prunetool.checkpoints.globs import choose
from prunetool.checkpoints.reader import Checkpoint, open_checkpoint
from prunetool.checkpoints.tensors import NamedTensor
from prunetool.errors import CheckpointError
from prunetool.reports.zeropatterns import zero_pattern

_FEWEST_DIMS_OF_A_MATRIX = 2


@dataclass(frozen=True)
class Count:
    """Parameters, and how many of them are zero."""

    parameters: int
    zeros: int

    @property
    def sparsity(self) -> float:
        """Fraction of zeros, in [0, 1]; 0 of nothing."""
        return self.zeros / self.parameters if self.parameters else 0.0


@dataclass(frozen=True)
class Layer:
    """One parameter tensor.

    Attributes:
        name: its first name in the file, as the plain model has it.
        dtype: such as ``"float32"``.
        count: masked elements count as zero whatever is stored under the mask.
        masked: whether there is a mask for it in the file.
        prunable: whether it belongs to the pruned set: the tensors with a mask, or in a file
            without any, the floating ones of two or more dimensions.
        pattern: of its zeros, see ``zeropatterns.py``.
        bytes: of its values, stored densely.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    count: Count
    masked: bool
    prunable: bool
    pattern: str | None
    bytes: int


@dataclass(frozen=True)
class Source:
    """Where the numbers are from: the checkpoint, its format, and who wrote its masks, if any."""

    path: str
    format: str
    masks: str | None


@dataclass(frozen=True)
class Report:
    """The sparsity of a checkpoint; layers are in the file's order, tied tensors once.

    Attributes:
        complete: whether all parameters of the file are among the layers.
    """

    source: Source
    layers: tuple[Layer, ...]
    complete: bool = True

    @cached_property
    def total(self) -> Count:
        """Of all layers."""
        return total_of(self.layers)

    @cached_property
    def prunable(self) -> Count:
        """Of the pruned set."""
        return total_of(layer for layer in self.layers if layer.prunable)


def total_of(layers: Iterable[Layer]) -> Count:
    """Add the counts of layers up."""
    counts = [layer.count for layer in layers]
    return Count(sum(it.parameters for it in counts), sum(it.zeros for it in counts))


def report_on(path: Path, *, include: Sequence[str] = (), exclude: Sequence[str] = ()) -> Report:
    """Count the zeros in the parameters of a checkpoint, reading one tensor at a time.

    Args:
        path: a checkpoint file, a sharded checkpoint folder or a run folder.
        include: globs over parameter names; none means all.
        exclude: globs over parameter names, applied last.

    Raises:
        CheckpointError: if the file cannot be read.
        OptionError: if a glob matches nothing.
    """
    checkpoint = open_checkpoint(path)
    parameters = _parameters(checkpoint)
    chosen = choose(parameters, include=include, exclude=exclude)
    source = Source(
        path=str(checkpoint.path),
        format=checkpoint.format,
        masks=None if checkpoint.masks is None else str(checkpoint.masks),
    )
    layers = tuple(
        _layer(parameters[name], file_has_masks=source.masks is not None) for name in chosen
    )
    return Report(source, layers, complete=len(chosen) == len(parameters))


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


def _layer(tensor: NamedTensor, *, file_has_masks: bool) -> Layer:
    values = _countable(tensor.read())
    parameters = values.numel()
    is_matrix = tensor.dtype.is_floating_point and values.dim() >= _FEWEST_DIMS_OF_A_MATRIX
    masked = bool(tensor.masks)
    return Layer(
        name=tensor.name,
        shape=tuple(tensor.shape),
        dtype=str(tensor.dtype).removeprefix("torch."),
        count=Count(parameters, parameters - int(values.count_nonzero())),
        masked=masked,
        prunable=masked if file_has_masks else is_matrix,
        pattern=zero_pattern(values),
        bytes=tensor.nbytes,
    )


def _countable(values: Tensor) -> Tensor:
    """Widen 8-bit floats, which torch cannot compare; the same elements are zero."""
    narrow = values.is_floating_point() and values.element_size() == 1
    return values.float() if narrow else values
