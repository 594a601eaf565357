"""What all processes of a run must know alike, told by the main one when they first meet."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lightning.pytorch import Callback

from prunetool.errors import OptionError
from prunetool.training.building.strategies import require_all_sharded
from prunetool.training.processes.ranks import is_main, name_of_this
from prunetool.training.recording.run_folder import RunFolder


class Sharing(Callback):
    """Gives the other processes the run folder that the main one has chosen and made.

    Args:
        folder: the main process's; in another it is a place-holder, and is changed.
        strategy: as it was asked for.
    """

    def __init__(self, folder: RunFolder, strategy: str) -> None:
        self._folder = folder
        self._strategy = strategy

    def setup(self, trainer: Any, pl_module: Any, stage: str) -> None:
        """Share.

        Raises:
            OptionError: if the environment says that this is another process than Lightning does.
        """
        if trainer.is_global_zero and not is_main():
            raise OptionError(
                f"the environment says that this is {name_of_this()}, but it is the only process; "
                f"unset RANK and LOCAL_RANK, or give --devices and --num-nodes"
            )
        self._folder.path = Path(trainer.strategy.broadcast(str(self._folder.path)))

    def on_fit_start(self, trainer: Any, pl_module: Any) -> None:
        """Look at the sharded model."""
        require_all_sharded(pl_module, self._strategy)
