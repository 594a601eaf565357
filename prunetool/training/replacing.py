"""``--force``: a new run takes the place of an old one, which is there until the new one works.

A monitored metric that the model never logs shows only when an epoch is over, and other mistakes
while it runs. Until then the old run's files are kept aside.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from prunetool.training.run_folder import RunFolder


class Replacing:
    """Keeps the files of an earlier run aside.

    Args:
        folder: of both runs.
    """

    def __init__(self, folder: RunFolder) -> None:
        self._folder = folder
        self._aside = folder.path / ".replaced"
        self._moved: list[tuple[Path, Path]] = []

    def begin(self) -> None:
        """Make room for the new run; what an earlier run has there is moved aside."""
        shutil.rmtree(self._aside, ignore_errors=True)
        for file in self._folder.files:
            aside = self._aside / file.relative_to(self._folder.path)
            aside.parent.mkdir(parents=True, exist_ok=True)
            os.replace(file, aside)
            self._moved.append((file, aside))

    def settle(self) -> None:
        """The new run is worth having: drop the old one."""
        if self._moved:
            self._moved = []
            shutil.rmtree(self._aside, ignore_errors=True)

    def undo(self) -> None:
        """Put the old run back in the place of the new one; nothing happens once it is dropped."""
        if not self._moved:
            return
        for file in self._folder.files:
            file.unlink()
        for file, aside in self._moved:
            os.replace(aside, file)
        self.settle()
