"""``--force``: a new run takes the place of an old one, which is there until the new one works.

A monitored metric that the model never logs shows only when an epoch is over, and other mistakes
while it runs. Until then the old run's files are kept aside; whatever moment a kill comes at, the
names of the folders tell the next start what they hold:

==================  ==============================================================
``.replaced``       the whole old run; the new one, in its place, is unproved
``.moving``         a part of the old run; the rest of it is in its place
``.dropped``        what is left of an old run that nobody needs any more
==================  ==============================================================
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from prunetool.checkpoints.folders import remove
from prunetool.training.recording.disk import on_disk
from prunetool.training.recording.run_folder import RunFolder


class Replacing:
    """Keeps the files of an earlier run aside.

    Args:
        folder: of both runs.
    """

    def __init__(self, folder: RunFolder) -> None:
        self._folder = folder
        self._may_undo = False
        self._has_begun = False

    @property
    def aside(self) -> Path:
        """Where the whole old run is kept."""
        return self._folder.path / ".replaced"

    @property
    def _moving(self) -> Path:
        return self._folder.path / ".moving"

    @property
    def _dropped(self) -> Path:
        return self._folder.path / ".dropped"

    def begin(self) -> None:
        """Make room for the new run; what an earlier run has there is moved aside.

        Where an old run is aside already, the one in its place never proved itself: it is dropped.
        A second call does nothing: by then the new run has begun.

        Raises:
            OutputError: if the file system refuses.
        """
        if not self._has_begun:
            on_disk(self._folder.path, self._begin)
            self._has_begun = True

    def settle(self) -> None:
        """The new run is worth having: drop the old one, also that of a run that was killed."""
        self._may_undo = False
        if self.aside.exists():
            shutil.rmtree(self._dropped, ignore_errors=True)
            on_disk(self._folder.path, lambda: os.rename(self.aside, self._dropped))
        shutil.rmtree(self._dropped, ignore_errors=True)

    def undo(self) -> None:
        """Put the old run back in the place of the new one; nothing happens once it is dropped."""
        if not self._may_undo:
            return
        self._may_undo = False
        if self.aside.exists():
            on_disk(self._folder.path, self._undo)

    def recover(self) -> None:
        """Bring back what a kill left on its way, and remove what nobody needs.

        Raises:
            OutputError: if the file system refuses.
        """
        on_disk(self._folder.path, self._bring_back)
        shutil.rmtree(self._dropped, ignore_errors=True)

    def _begin(self) -> None:
        self._bring_back()
        if self.aside.exists():
            self._remove_new()
        elif self._folder.files:
            for file in self._folder.files:
                aside = self._moving / file.relative_to(self._folder.path)
                aside.parent.mkdir(parents=True, exist_ok=True)
                os.rename(file, aside)
            os.rename(self._moving, self.aside)
        self._may_undo = self.aside.exists()

    def _undo(self) -> None:
        self._remove_new()
        os.rename(self.aside, self._moving)
        self._bring_back()

    def _remove_new(self) -> None:
        for file in self._folder.files:
            remove(file)

    def _bring_back(self) -> None:
        if not self._moving.exists():
            return
        moved = RunFolder(self._moving)
        for file in moved.files:
            place = self._folder.path / file.relative_to(self._moving)
            place.parent.mkdir(parents=True, exist_ok=True)
            os.rename(file, place)
        shutil.rmtree(self._moving)
