"""How a round begins: anew, where a checkpoint stood, or as ``--retrain`` says.

An `Entry` is asked at the moments at which a fit can be changed; `RunCheckpoint` asks it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from prunetool.checkpoints.lazy import read_within
from prunetool.checkpoints.reader import open_checkpoint
from prunetool.errors import OptionError
from prunetool.training.resuming.moment import Moments, moment_in
from prunetool.training.resuming.rewind_point import GROUPS

_LARGE = ("state_dict", "optimizer_states", "callbacks")  # what is not loaded here


class Entry:
    """Begins as Lightning does, from nothing or from a checkpoint.

    Attributes:
        checkpoint: what the fit loads, or None.
        moment: what Lightning does not load of it, once it is loaded; or None.
    """

    checkpoint: Path | None

    def __init__(self, checkpoint: Path | None = None) -> None:
        self.checkpoint = checkpoint
        self.moment: Mapping[str, Any] | None = None

    def loads(self, checkpoint: Mapping[str, Any]) -> None:
        """Called with the checkpoint that the fit loads, when weights are loaded."""
        self.moment = moment_in(checkpoint)

    def fit_starts(self, trainer: Any) -> None:
        """Called when optimizers exist and nothing of their state is loaded."""

    def train_starts(self, trainer: Any, moments: Moments) -> None:
        """Called when everything is loaded and the first iterator is made."""
        if self.moment is not None:
            moments.go_on(self.moment)


class Rewound(Entry):
    """``--retrain weights``: everything as of step K, by Lightning's own loading.

    Args:
        checkpoint: ``rewind.ckpt``.
        redraw: sets the targets to newly drawn values, for ``--resample``; or None.
    """

    def __init__(self, checkpoint: Path, redraw: Callable[[], None] | None = None) -> None:
        super().__init__(checkpoint)
        self._redraw = redraw

    def train_starts(self, trainer: Any, moments: Moments) -> None:
        """Stand exactly where step K was."""
        super().train_starts(trainer, moments)
        if self._redraw is not None:
            self._redraw()


class RewoundSchedule(Rewound):
    """``--retrain lr``: counters, schedulers and generators as of step K; the weights stay.

    Args:
        rewind_point: ``rewind.ckpt``.
    """

    def __init__(self, rewind_point: Path) -> None:
        super().__init__(rewind_point)
        self.checkpoint, self._path = None, rewind_point

    def fit_starts(self, trainer: Any) -> None:
        """Load what is not weights or optimizer state.

        Not by the strategy: a sharded one loads weights into the model while it reads.
        """
        stored = open_checkpoint(self._path).content
        checkpoint = {key: it if key in _LARGE else read_within(it) for key, it in stored.items()}
        self.loads(checkpoint)
        trainer.fit_loop.load_state_dict(checkpoint["loops"]["fit_loop"])
        for optimizer, groups in zip(
            trainer.optimizers, checkpoint["prunetool"][GROUPS], strict=True
        ):
            for group, options in zip(optimizer.param_groups, groups, strict=True):
                group.update(options)
        for config, state in zip(
            trainer.lr_scheduler_configs, checkpoint["lr_schedulers"], strict=True
        ):
            config.scheduler.load_state_dict(state)


class Continued(Entry):
    """``--retrain finetune``: the optimizers go on at the final learning rate, without schedulers.

    Args:
        optimizers: their states at the end of the round before; None where a checkpoint of the
            round itself is loaded, which holds them.
        checkpoint: that checkpoint.
    """

    def __init__(
        self, optimizers: Sequence[dict[str, Any]] | None, checkpoint: Path | None = None
    ) -> None:
        super().__init__(checkpoint)
        self._states = optimizers

    def fit_starts(self, trainer: Any) -> None:
        """Load the states, and take the schedulers away: they would restart."""
        trainer.strategy.lr_scheduler_configs = []
        if self._states is not None:
            _load(trainer.optimizers, self._states)


def require_own_schedulers(trainer: Any) -> None:
    """Refuse schedulers that cannot be switched off, before the first round.

    Raises:
        OptionError: under manual optimization the model steps them itself.
    """
    if trainer.lr_scheduler_configs and not trainer.lightning_module.automatic_optimization:
        raise OptionError(
            "--retrain finetune: switches schedulers off, and the model steps its own (manual "
            "optimization); choose --retrain lr or weights"
        )


def _load(optimizers: Sequence[Any], states: Sequence[dict[str, Any]]) -> None:
    for optimizer, state in zip(optimizers, states, strict=True):
        optimizer.load_state_dict(state)
