"""Begin a new training with the weights, and the masks, of a checkpoint."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lightning.pytorch import Callback
from torch import Tensor

from prunetool.errors import CheckpointError, OptionError
from prunetool.training.building.starting import StartingPoint
from prunetool.training.options.options import TrainOptions

_MANY_ZEROS = 0.01  # share of the matrices from which on zeros are no accident


class InitialWeights(Callback):
    """Loads a checkpoint's weights once the model is complete.

    Layers may be built in ``configure_model``, so that the constructor is too early. Optimizers
    hold the parameters already; their values are changed in place.
    """

    def __init__(self, start: StartingPoint) -> None:
        self._start = start

    def on_fit_start(self, trainer: Any, pl_module: Any) -> None:
        """Load.

        Raises:
            CheckpointError: if names or shapes differ from the model's.
        """
        try:
            pl_module.load_state_dict(self._start.weights(), strict=pl_module.strict_loading)
        except RuntimeError as error:
            details = str(error).partition(":")[2] or str(error)
            raise CheckpointError(
                f"{self._start.path}: does not fit {type(pl_module).__name__}: {details.strip()}; "
                f"check --model and --model-arg"
            ) from error


def initial_masks(
    start: StartingPoint | None, options: TrainOptions, note: Callable[[str], None]
) -> dict[str, Tensor]:
    """The masks to begin with: the checkpoint's own, or its zeros if that was asked for.

    Args:
        start: the checkpoint, or None.
        options: says whether zeros are to be taken for masks.
        note: told how many zeros there are.

    Raises:
        OptionError: if ``--masks-from-zeros`` is given without a checkpoint.
    """
    if start is None:
        if options.masks_from_zeros:
            raise OptionError("--masks-from-zeros: only where TARGET is a checkpoint")
        return {}
    masks = start.masks()
    if masks:
        removed, size = _count(masks)
        note(f"{start.path}: goes on with its masks: {removed} of {size} elements pruned")
        return masks
    zeros = start.masks_of_zeros()
    removed, size = _count(zeros)
    if options.masks_from_zeros:
        note(f"{start.path}: {removed} zeros in {len(zeros)} tensors are taken for masks")
        return zeros
    if removed > _MANY_ZEROS * size:
        note(
            f"{start.path}: no masks, but {removed} zeros in {len(zeros)} tensors; training will "
            f"fill them unless --masks-from-zeros keeps them"
        )
    return {}


def _count(masks: dict[str, Tensor]) -> tuple[int, int]:
    """Removed elements, and all elements."""
    size = sum(mask.numel() for mask in masks.values())
    return size - sum(int(mask.sum()) for mask in masks.values()), size
