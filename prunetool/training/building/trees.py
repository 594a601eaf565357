"""Lightning is published twice, and the two do not mix.

``lightning.pytorch`` and ``pytorch_lightning`` are distinct class trees: a Trainer of one rejects
a module of the other. Everything that a run takes from Lightning comes from the model's own tree.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from types import ModuleType
from typing import Any

_PACKAGES = ("lightning.pytorch", "pytorch_lightning")


@dataclass(frozen=True)
class Tree:
    """One of the two packages, imported where it is first needed.

    Args:
        package: ``"lightning.pytorch"`` or ``"pytorch_lightning"``.
    """

    package: str

    def load(self, submodule: str = "") -> ModuleType:
        """Import the package, or a module under it."""
        return importlib.import_module(f"{self.package}.{submodule}" if submodule else self.package)

    @property
    def trainer_class(self) -> Any:
        """The Trainer that takes this tree's modules."""
        return self.load().Trainer

    @property
    def checkpoint_class(self) -> type:
        """The base of callbacks that run after all others."""
        return self.load("callbacks").Checkpoint  # type: ignore[no-any-return]


def tree_of(cls: type, kind: str = "LightningModule") -> Tree | None:
    """Find the tree whose ``kind`` the class derives from.

    Args:
        cls: any class.
        kind: the name of a Lightning class, ``"LightningModule"`` or ``"LightningDataModule"``.

    Returns:
        The tree, or None if ``cls`` does not derive from ``kind`` of either.
    """
    for base in cls.__mro__:
        for package in _PACKAGES:
            if base.__name__ == kind and base.__module__.startswith(f"{package}."):
                return Tree(package)
    return None


def is_misconfiguration(error: BaseException) -> bool:
    """Is this Lightning's own complaint about how it is used? Each tree has a class of its own."""
    return any(base.__name__ == "MisconfigurationException" for base in type(error).__mro__)
