"""Tensors that know the call in a pickle that makes them."""

from __future__ import annotations

import torch

from prunetool.checkpoints.lazy import LazyTensor
from prunetool.checkpoints.torch_files.standins import Made


class RecipeTensor(LazyTensor):
    """A tensor of a torch file.

    Attributes:
        recipe: the call that makes it when the file is unpickled, to be written again.
    """

    def __init__(self, shape: torch.Size, dtype: torch.dtype, recipe: Made) -> None:
        super().__init__(shape, dtype)
        self.recipe = recipe
