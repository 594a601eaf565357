"""prunetool: train, report, finalize and export sparse PyTorch Lightning models.

The public names are imported when they are first used: ``import prunetool`` costs nothing, and
reading a checkpoint never pays for Lightning.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from prunetool._version import __version__

if TYPE_CHECKING:
    from prunetool.callback import ModelPruning
    from prunetool.checkpoints.sparse.loading import load_sparse
    from prunetool.errors import PrunetoolError

__all__ = ["ModelPruning", "PrunetoolError", "__version__", "load_sparse"]

_HOMES = {
    "ModelPruning": "prunetool.callback",
    "PrunetoolError": "prunetool.errors",
    "load_sparse": "prunetool.checkpoints.sparse.loading",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'prunetool' has no attribute '{name}'")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
