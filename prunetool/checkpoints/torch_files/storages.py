"""The values that the tensors of a torch file look at: bytes somewhere in it."""

from __future__ import annotations

import torch

from prunetool.checkpoints.byte_source import ByteSource
from prunetool.checkpoints.torch_files.standins import Name

# torch's storage classes, which files refer to by name, and what they hold. The quantized ones
# hold plain integers: what these mean is said beside them.
_DTYPES = {
    "DoubleStorage": torch.float64,
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "ComplexDoubleStorage": torch.complex128,
    "ComplexFloatStorage": torch.complex64,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
    "QInt8Storage": torch.qint8,
    "QUInt8Storage": torch.quint8,
    "QInt32Storage": torch.qint32,
    "UntypedStorage": torch.uint8,
}
QUANTIZED = (torch.qint8, torch.quint8, torch.qint32)
_HOMES = ("torch", "torch.cuda", "torch.storage")
UNTYPED = Name("torch.storage", "UntypedStorage")
_NAMES = {dtype: Name("torch", name) for name, dtype in _DTYPES.items() if name != "UntypedStorage"}


class Storage:
    """Bytes in a file that one or more tensors look at.

    Attributes:
        source: the file.
        start: of its first byte there; None until it is known, while a legacy file is read.
        nbytes: how many.
        kind: torch's class for it, which says the dtype.
    """

    def __init__(self, source: ByteSource, start: int | None, nbytes: int, kind: Name) -> None:
        self.source = source
        self.start = start
        self.nbytes = nbytes
        self.kind = kind


def stored_dtype(kind: object) -> torch.dtype | None:
    """Say what a storage class of torch holds; None for anything else."""
    if not isinstance(kind, Name) or kind.module not in _HOMES:
        return None
    return _DTYPES.get(kind.qualname)


def storage_kind(dtype: torch.dtype) -> Name | None:
    """Name torch's storage class for a dtype; None if it has none (float8, unsigned integers)."""
    return _NAMES.get(dtype)
