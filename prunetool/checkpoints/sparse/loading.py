"""Sparse files in one call: ``prunetool.load_sparse``."""

from __future__ import annotations

import os
from collections.abc import Hashable
from pathlib import Path

from torch import Tensor

from prunetool.checkpoints.formats import Format
from prunetool.checkpoints.reader import open_checkpoint
from prunetool.errors import CheckpointError


def load_sparse(path: str | os.PathLike[str]) -> dict[str, Tensor]:
    """Load what ``prunetool export --format sparse`` wrote, as the dense tensors it stands for.

    Args:
        path: the file; of several, their index (``NAME.safetensors.index.json``).

    Returns:
        New tensors on the CPU by name, bit for bit those that were exported. Names that were
        tied mean one tensor, so that changing one changes the other.

    Raises:
        CheckpointError: if the file cannot be read, is damaged, or is no sparse export.
    """
    checkpoint = open_checkpoint(Path(path))
    if checkpoint.format is not Format.SPARSE:
        raise CheckpointError(
            f"{path}: expected what 'prunetool export --format sparse' writes, found a checkpoint "
            f"in the format {checkpoint.format}; load safetensors with safetensors.torch.load_file"
        )
    read: dict[Hashable, Tensor] = {}
    tensors = {}
    for name, tensor in checkpoint.tensors.items():
        if tensor.identity not in read:
            read[tensor.identity] = tensor.read()
        tensors[name] = read[tensor.identity]
    return tensors
