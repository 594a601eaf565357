"""A checkpoint as the start of a new training: its model's class and arguments, weights, masks.

The file is read without running what is in it (``checkpoints/reader.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from prunetool.checkpoints.reader import Checkpoint, open_checkpoint
from prunetool.checkpoints.tensors import NamedTensor
from prunetool.checkpoints.torch_files.standins import Made, is_inert
from prunetool.training.building.construction import accepted

_HPARAMS = "hyper_parameters"
_CLI_CLASS = "_class_path"


@dataclass(frozen=True)
class StartingPoint:
    """An opened checkpoint.

    Attributes:
        checkpoint: the reader's view of it.
    """

    checkpoint: Checkpoint

    @property
    def path(self) -> Path:
        """The file itself."""
        return self.checkpoint.path

    @property
    def model_path(self) -> str | None:
        """The import path of the class, where prunetool or LightningCLI recorded one."""
        recorded = _recorded_model(self.checkpoint.content).get("target")
        if isinstance(recorded, str):
            return recorded
        class_path = _mapping(self.checkpoint.content.get(_HPARAMS)).get(_CLI_CLASS)
        return class_path if isinstance(class_path, str) else None

    def arguments_for(self, builder: Callable[..., Any]) -> dict[str, Any]:
        """The recorded constructor arguments that ``builder`` takes and whose values are plain."""
        content = self.checkpoint.content
        recorded = _recorded_model(content)
        if "args" in recorded:
            return dict(_mapping(recorded["args"]))
        hparams = _mapping(content.get(_HPARAMS))
        plain = {name: value for name, value in hparams.items() if _is_plain(value)}
        name = content.get("hparams_name")
        if isinstance(name, str) and name != "kwargs" and accepted(builder, [name]) == [name]:
            return {name: plain}
        return {key: plain[key] for key in accepted(builder, plain) if not key.startswith("_")}

    def weights(self) -> dict[str, Any]:
        """The plain model's ``state_dict``, every mask applied."""
        return {
            name: value.read() if isinstance(value, NamedTensor) else value
            for name, value in self.checkpoint.folded.items()
        }

    def masks(self) -> dict[str, Tensor]:
        """The masks in the file as bool tensors, True where an element is kept."""
        found = {}
        for name, tensor in self._tensors().items():
            masks = [mask.read(tensor.shape) for mask in tensor.masks]
            if masks:
                kept = masks[0]
                for mask in masks[1:]:
                    kept = kept & mask
                found[name] = kept
        return found

    def _tensors(self) -> dict[str, NamedTensor]:
        """The tensors by the names that the model loads them by, wrappers' prefixes included."""
        return self.checkpoint.stored_tensors

    def masks_of_zeros(self) -> dict[str, Tensor]:
        """Take the zeros of the floating parameters of two or more dimensions for masks.

        Only tensors that have zeros are in the result.
        """
        matrices = {
            name: tensor.read()
            for name, tensor in self._tensors().items()
            if len(tensor.shape) >= 2
            and tensor.dtype.is_floating_point
            and self.checkpoint.is_parameter(tensor.name)
        }
        return {name: values != 0 for name, values in matrices.items() if bool((values == 0).any())}


def read_starting_point(path: Path) -> StartingPoint:
    """Open a checkpoint.

    Raises:
        CheckpointError: if there is none, or it is of another kind, or damaged.
    """
    return StartingPoint(open_checkpoint(path))


def _recorded_model(content: Mapping[str, Any]) -> Mapping[str, Any]:
    return _mapping(_mapping(content.get("prunetool")).get("model"))


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _is_plain(value: Any) -> bool:
    if isinstance(value, Mapping):
        return all(_is_plain(item) for item in value.values())
    if isinstance(value, list | tuple | set):
        return all(_is_plain(item) for item in value)
    return not is_inert(value) and not isinstance(value, Made)
