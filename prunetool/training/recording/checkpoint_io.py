"""How Lightning writes a checkpoint file: beside its name, to the disk, and only then renamed.

Lightning itself writes to memory first and then to the system's temporary folder; where that is on
another file system, its rename is a copy that a kill leaves torn.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from prunetool.checkpoints.writing import replace_file
from prunetool.training.recording.disk import on_disk

if TYPE_CHECKING:
    from prunetool.training.building.trees import Tree


def checkpoint_io(tree: Tree) -> Any:
    """Build the plugin on the ``TorchCheckpointIO`` of the model's Lightning."""
    base = tree.load("plugins.io").TorchCheckpointIO
    return type("AtomicCheckpointIO", (_AtomicCheckpointIO, base), {})()


def with_checkpoint_io(tree: Tree, arguments: Mapping[str, Any]) -> list[Any]:
    """Give the Trainer's plugins, ours among them where none of its kind is.

    Args:
        tree: the model's Lightning.
        arguments: of the Trainer.
    """
    given = arguments.get("plugins") or []
    plugins = list(given) if isinstance(given, list | tuple) else [given]
    kind = tree.load("plugins").CheckpointIO
    # A strategy may bring its own, and those of XLA take no other.
    strategy = arguments.get("strategy")
    brings = getattr(strategy, "_checkpoint_io", None) is not None
    on_xla = arguments.get("accelerator") == "tpu" or "xla" in str(strategy)
    if brings or on_xla or any(isinstance(plugin, kind) for plugin in plugins):
        return plugins
    return [*plugins, checkpoint_io(tree)]


def write_checkpoint(checkpoint: dict[str, Any], path: Path) -> None:
    """Write a checkpoint to a file.

    Raises:
        OSError: if the file system refuses; what was at ``path`` is then as before.
    """
    replace_file(path, lambda stream: torch.save(checkpoint, stream))


class _AtomicCheckpointIO:
    """The method that differs; ``checkpoint_io`` joins it with a base class."""

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None
    ) -> None:
        if storage_options is not None or "://" in os.fspath(path):
            super().save_checkpoint(checkpoint, path, storage_options)  # type: ignore[misc]
            return
        on_disk(Path(path), lambda: _write(checkpoint, Path(path)))


def _write(checkpoint: dict[str, Any], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_checkpoint(checkpoint, path)
