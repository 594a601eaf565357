"""The figures of a fit: where loggers, monitors and progress bars look for them.

``self.log`` would keep an event that falls between two of its steps from the loggers, is forbidden
at the end of a validation, and asks for a reduction of what all processes know alike. So this goes
Lightning's own callbacks' way (``LearningRateMonitor``): to the loggers at the very moment, and
into ``callback_metrics``, where ``ModelCheckpoint`` and ``EarlyStopping`` look.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from lightning.pytorch.utilities.rank_zero import rank_zero_warn

from prunetool.fit.clock import Hook
from prunetool.fit.pruner import Pruner

SPARSITY = "sparsity"
TARGET = "sparsity_target"
PRUNED = "pruned_elements"


def figures_of(pruners: Sequence[Pruner]) -> dict[str, float]:
    """Say where the pruning stands.

    Args:
        pruners: of one trainer.

    Returns:
        ``sparsity``: the pruned share of all targets, in [0, 1]; ``sparsity_target``: what the
        last event aimed at, 0 before the first; only where a sparsity was asked for;
        ``pruned_elements``; and, where verbose is 2, ``sparsity/LAYER`` for each target. Of several
        callbacks all but ``sparsity/LAYER`` is given for each, with its number from 1 at the end
        (``sparsity_1``), beside the ``sparsity`` of their targets together.
    """
    if len(pruners) == 1:
        return _own(pruners[0], "") | _layers(pruners[0])
    sizes = {t.name: t.parameter.numel() for it in pruners for t in it.targets}
    masks = pruners[0].session.masks
    figures = {SPARSITY: _share(sum(map(masks.count, sizes)), sum(sizes.values()))}
    for number, pruner in enumerate(pruners, start=1):
        figures |= _own(pruner, f"_{number}") | _layers(pruner)
    return figures


def _own(pruner: Pruner, end: str) -> dict[str, float]:
    pruned = pruner.pruned
    figures = {f"{SPARSITY}{end}": _share(pruned, pruner.elements), f"{PRUNED}{end}": pruned}
    if pruner.settings.sparsity is not None:
        figures[f"{TARGET}{end}"] = pruner.current_target or 0.0
    return figures


def _layers(pruner: Pruner) -> dict[str, float]:
    if pruner.settings.verbose != 2:
        return {}
    count = pruner.session.masks.count
    return {
        f"{SPARSITY}/{it.name}": _share(count(it.name), it.parameter.numel())
        for it in pruner.listed
    }


def _share(count: int, total: int) -> float:
    return count / total if total else 0.0


class Board:
    """Shows figures; the same on every process, without asking the others."""

    def __init__(self) -> None:
        self._logged_at: int | None = None
        self._has_warned = False

    def begin(self, trainer: Any, figures: dict[str, float]) -> None:
        """When training starts: monitors find the figures before the first event too."""
        self._logged_at = None
        self._show(trainer, figures)

    def update(self, trainer: Any, hook: Hook, figures: dict[str, float], *, event: bool) -> None:
        """Show the figures and log them, once for a step unless there was another event.

        Args:
            trainer: in ``hook``, after all that its events did.
            hook: where the trainer is.
            figures: as of now.
            event: whether something was pruned since the last call.
        """
        self._warn_of_others(trainer, figures)
        self._show(trainer, figures)
        step = step_of(trainer, hook)
        if not event and step == self._logged_at:
            return
        self._logged_at = step
        for logger in trainer.loggers:
            logger.log_metrics({**figures, "epoch": trainer.current_epoch}, step=step)
            logger.save()

    def _warn_of_others(self, trainer: Any, figures: dict[str, float]) -> None:
        """Say once which names the model logs too: loggers get both values under one name."""
        if self._has_warned:
            return
        others = [name for name in figures if name in trainer.logged_metrics]
        if others:
            self._has_warned = True
            rank_zero_warn(
                f"the model logs {', '.join(map(repr, others))} itself, as ModelPruning does: "
                "monitors and tables show ModelPruning's, loggers both; choose another name"
            )

    def _show(self, trainer: Any, figures: dict[str, float]) -> None:
        device = trainer.strategy.root_device
        trainer.callback_metrics.update(
            {
                name: torch.tensor(value, dtype=torch.float32, device=device)
                for name, value in figures.items()
            }
        )
        trainer.progress_bar_metrics[SPARSITY] = figures[SPARSITY]


def step_of(trainer: Any, hook: Hook) -> int:
    """Give the step that Lightning logs other metrics of the same moment at, from 0."""
    steps = int(trainer.fit_loop.epoch_loop._batches_that_stepped)
    # It counts the last batch of an epoch before the epoch's last hooks, not before a validation.
    return max(steps - 1, 0) if hook is Hook.EPOCH_END else steps
