"""Lottery tickets in a fit: the early weights, the way back to them, and the controls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.utilities.rank_zero import rank_zero_info, rank_zero_warn
from torch import Tensor

from prunetool.fit.clock import ends_training
from prunetool.fit.session import Session
from prunetool.fit.settings import Settings
from prunetool.pruning.method import Method
from prunetool.pruning.rewind import EarlyWeights, resampled
from prunetool.pruning.shuffle import shuffled
from prunetool.pruning.targets import Target


class Ticket:
    """What may happen to one callback's targets beside pruning.

    Args:
        settings: what was asked for.
        session: the masks of the fit.
        targets: in model order.
        method: whose pattern a shuffle keeps.
        generator: what random choices are drawn from.
    """

    def __init__(
        self,
        settings: Settings,
        session: Session,
        targets: Sequence[Target],
        method: Method,
        generator: torch.Generator,
    ) -> None:
        self.settings = settings
        self.session = session
        self.targets = targets
        self._pattern = method.pattern
        self._generator = generator
        self._early: EarlyWeights | None = None

    def keep_early(self, trainer: Any) -> None:
        """Keep the early weights for resets, once, at the step asked for."""
        step = int(trainer.global_step)
        if not self.settings.rewinds or self._early or step < self.settings.rewind_step:
            return
        if step > self.settings.rewind_step:
            rank_zero_warn(
                f"ModelPruning: no early weights of step {self.settings.rewind_step} are at hand; "
                f"resets will go back to those of step {step}"
            )
        self._early = EarlyWeights.of(self.targets)

    def resets_after(self, trainer: Any) -> bool:
        """Whether the event that has just happened is followed by a reset to early values."""
        rewinds = self.settings.rewinds
        if callable(rewinds):
            return bool(rewinds(int(trainer.current_epoch)))
        if rewinds and ends_training(trainer):
            rank_zero_info(
                "ModelPruning: no reset to early values after the last training epoch, "
                "since nothing would train the weights again"
            )
            return False
        return rewinds

    def reset(self) -> None:
        """Set the targets to their early or newly drawn values, under their masks.

        Raises:
            MisconfigurationException: if no early values have been kept yet.
        """
        if self._early is None:
            raise MisconfigurationException(
                "there are no early weights to go back to: the first reset comes before "
                f"rewind_step={self.settings.rewind_step}; lower it, or start pruning later"
            )
        drawn = resampled(self.targets, generator=self._generator) if self.settings.resample else {}
        for target in self.targets:
            self.session.reset(target, drawn.get(target.name, self._early.value(target)))

    def redraw(self) -> None:
        """Set the targets to newly drawn initial values, under their masks.

        Raises:
            MisconfigurationException: naming targets whose module cannot draw any.
        """
        drawn = resampled(self.targets, generator=self._generator)
        missing = [target.name for target in self.targets if target.name not in drawn]
        if missing:
            raise MisconfigurationException(
                f"no new values can be drawn for {', '.join(missing)}: the module that holds "
                "it has no reset_parameters()"
            )
        for target in self.targets:
            self.session.reset(target, drawn[target.name])

    def shuffle(self) -> None:
        """Put each mask elsewhere in its tensor at random; weights that come back are zero."""
        masks, pattern = self.session.masks, self._pattern
        for target in self.targets:
            pruned = ~masks.whole(target.name)
            dim, generator = target.input_dim, self._generator
            moved = shuffled(pruned, pattern, input_dim=dim, generator=generator)
            masks.put(target.name, masks.part(target.name, moved))
        self.session.settle()

    def early(self) -> dict[str, Tensor]:
        """Give the early weights for a checkpoint; empty where none are kept."""
        return self._early.tensors() if self._early else {}

    def load(self, early: Mapping[str, Tensor]) -> None:
        """Take up where :meth:`early` was saved, if all targets were."""
        if early and all(target.name in early for target in self.targets):
            self._early = EarlyWeights({t.name: early[t.name] for t in self.targets})
