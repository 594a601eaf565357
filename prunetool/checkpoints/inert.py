"""The module to give to ``torch.load`` and ``torch.save`` as ``pickle_module``.

Reading with it imports and calls nothing that the file names; writing with it puts the same
names back, so that the result unpickles to the same objects where their classes exist.
"""

from __future__ import annotations

from prunetool.checkpoints.pickler import Pickler
from prunetool.checkpoints.unpickler import Unpickler

__all__ = ["Pickler", "Unpickler"]
