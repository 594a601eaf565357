"""Converting tensors on their way into another file, piece by piece."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from prunetool.checkpoints.lazy import PIECE, ranges
from prunetool.checkpoints.nonzeros import without_negative_zeros
from prunetool.checkpoints.safetensors_files.layout import can_hold
from prunetool.checkpoints.tensors import NamedTensor
from prunetool.errors import CheckpointError, OptionError


@dataclass(frozen=True)
class Conversion:
    """A tensor and the dtype that it is to have.

    Attributes:
        tensor: where the values are from, masks applied.
        dtype: one that safetensors has.
        positive_zeros: whether -0.0 becomes +0.0.
    """

    tensor: NamedTensor
    dtype: torch.dtype
    positive_zeros: bool = False

    @property
    def nbytes(self) -> int:
        """Bytes of the converted values, stored densely."""
        return self.tensor.elements * self.dtype.itemsize

    def pieces(self, piece: int = PIECE) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the values in row-major order, ``piece`` elements at a time.

        Yields:
            What was read and what became of it, one-dimensional; one tensor twice where nothing
            is converted.

        Raises:
            OptionError: if finite values become infinite.
            CheckpointError: if the tensor cannot be read.
        """
        narrows = self.dtype != self.tensor.dtype and _largest(self.dtype) < _largest(
            self.tensor.dtype
        )
        for start, stop in ranges(self.tensor.elements, piece):
            values = self.tensor.flat(start, stop)
            converted = values.to(self.dtype)
            if narrows and not _as_finite(converted, values):
                raise self._overflow()
            if self.positive_zeros and self.dtype.is_floating_point:
                converted = without_negative_zeros(converted)
            yield values, converted

    def _overflow(self) -> OptionError:
        highest = 0.0
        for start, stop in ranges(self.tensor.elements):
            values = self.tensor.flat(start, stop).abs().nan_to_num_(0, posinf=0)
            highest = max(highest, float(values.max()))
        return OptionError(
            f"--dtype {_name(self.dtype)}: {self.tensor.name} has values up to {highest:.3g}, "
            "which become infinite; try bfloat16 or float32"
        )


def conversion_of(
    tensor: NamedTensor, dtype: torch.dtype | None, *, positive_zeros: bool = False
) -> Conversion:
    """Convert floating tensors to ``dtype``; leave all others, and all of them if it is None.

    Raises:
        CheckpointError: if safetensors cannot hold the result.
    """
    wanted = dtype if dtype is not None and tensor.dtype.is_floating_point else tensor.dtype
    if not can_hold(wanted):
        raise CheckpointError(
            f"{tensor.name}: safetensors has no {_name(wanted)}; "
            f"leave it out with --exclude '{tensor.name}'"
        )
    return Conversion(tensor, wanted, positive_zeros)


def _largest(dtype: torch.dtype) -> float:
    return torch.finfo(dtype).max


def _as_finite(converted: Tensor, values: Tensor) -> bool:
    if bool(converted.isfinite().all()):
        return True
    return torch.equal(values.isfinite(), converted.isfinite())


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
