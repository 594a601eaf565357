"""One callback's pruning during a fit: its targets, its events, its early weights."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.utilities.rank_zero import rank_zero_info, rank_zero_warn

from prunetool.fit.clock import Clock, ends_training
from prunetool.fit.logs import log_event, pruned_counts
from prunetool.fit.session import Session
from prunetool.fit.settings import Settings
from prunetool.pruning.allocation import remaining_after, share_toward
from prunetool.pruning.custom import prune_with
from prunetool.pruning.method import Method, elements_at, prune
from prunetool.pruning.rewind import EarlyWeights, resampled
from prunetool.pruning.schedules import sparsity_at
from prunetool.pruning.targets import Target


class Pruner:
    """Prunes one callback's targets within a session that others may share.

    Args:
        settings: what was asked for.
        session: the masks and hooks of the fit.
        targets: in model order, which is the order of ties and random draws.
        listed: the same, in the order in which the user (or the reference) lists them: that of
            log lines, and of the vector that a user's own method sees.
    """

    def __init__(
        self,
        settings: Settings,
        session: Session,
        targets: Sequence[Target],
        listed: Sequence[Target],
    ) -> None:
        self.settings = settings
        self.session = session
        self.targets = list(targets)
        self.listed = list(listed)
        self.current_target: float | None = None
        self._compounded: int | None = None
        self._early: EarlyWeights | None = None
        self._generator = torch.Generator()
        session.enrol(self.targets)

    @property
    def elements(self) -> int:
        """Elements of all targets; a shared tensor counts once."""
        return sum(target.parameter.numel() for target in self.targets)

    @property
    def pruned(self) -> int:
        """Pruned elements of all targets."""
        return sum(self.session.masks.count(target.name) for target in self.targets)

    @property
    def planned(self) -> int | None:
        """How many elements are pruned in the end, if all goes to plan; None where that is open."""
        if self.settings.sparsity is None:
            return self._compounded
        shapes = [target.parameter.shape for target in self.targets]
        pattern, pooled = self.settings.pattern, self.settings.pooled
        return elements_at(pattern, shapes, self.settings.sparsity, pooled=pooled)

    def seed(self, trainer: Any) -> None:
        """Seed the random choices from the run's seed, the same on every rank."""
        seed = int(os.environ.get("PL_GLOBAL_SEED", torch.initial_seed()))
        self._generator.manual_seed(trainer.strategy.broadcast(seed))

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

    def expect(self, amount: float, events: int) -> None:
        """Work out what ``events`` events to come of a fixed ``amount`` compound to."""
        if not isinstance(self.settings.function.engine, Method):
            return  # a user's own method prunes what it likes
        pattern, masks = self.settings.pattern, self.session.masks
        sizes = [target.parameter.numel() for target in self.targets]
        units = [pattern.units(target.parameter.shape) for target in self.targets]
        left = [int(pattern.remaining(masks.pruned(t.name)).sum()) for t in self.targets]
        if self.settings.pooled:
            sizes, units, left = [sum(sizes)], [sum(units)], [sum(left)]
        self._compounded = sum(
            size - size // unit * remaining_after(amount, count, events=events)
            for size, unit, count in zip(sizes, units, left, strict=True)
        )

    def amount_at(
        self, moment: int, epoch: int, clock: Clock, amount: float | Callable[[int], float]
    ) -> float:
        """Give what the event at ``moment`` removes: ``amount``, or the way to the sparsity."""
        sparsity = self.settings.sparsity
        if sparsity is None:
            return amount(epoch) if callable(amount) else amount
        assert clock.timeline is not None
        progress = clock.timeline.progress(moment)
        self.current_target = sparsity_at(self.settings.schedule, progress, target=sparsity)
        pattern, masks = self.settings.pattern, self.session.masks
        total = sum(pattern.units(target.parameter.shape) for target in self.targets)
        remaining = [pattern.remaining(masks.pruned(t.name)).sum() for t in self.targets]
        removed = total - sum(int(count) for count in remaining)
        return share_toward(self.current_target, removed=removed, total=total)

    def prune(self, amount: float) -> None:
        """Prune once: extend the masks, make everything obey them, and log."""
        masks, engine = self.session.masks, self.settings.function.engine
        before = pruned_counts(masks, self.listed)
        self.session.remember_values()
        if isinstance(engine, Method):
            prune(engine, self.targets, masks, amount, generator=self._generator)
        else:
            prune_with(engine, self.listed, masks, amount, generator=self._generator)
        self.session.settle()
        self._warn_of_emptied(before)
        if self.settings.verbose:
            log_event(
                self.settings.function.log_name,
                amount,
                self.listed,
                before=before,
                after=pruned_counts(masks, self.listed),
                each_tensor=self.settings.verbose == 2,
            )

    def _warn_of_emptied(self, before: Sequence[int]) -> None:
        emptied = [
            target.name
            for target, was in zip(self.listed, before, strict=True)
            if target.parameter.dim() > 1  # a bias or a norm's shift can do without
            and was < target.parameter.numel() == self.session.masks.count(target.name)
        ]
        if emptied:
            rank_zero_warn(
                f"ModelPruning: nothing is left of {', '.join(emptied)}; if that cuts the network, "
                "leave it out (exclude), or prune less"
            )

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

    def state(self) -> dict[str, Any]:
        """Give what a checkpoint keeps of this callback alone."""
        return {"generator": self._generator.get_state()}

    def early(self) -> dict[str, torch.Tensor]:
        """Give the early weights for a checkpoint; empty where none are kept."""
        return self._early.tensors() if self._early else {}

    def load(self, state: Mapping[str, Any], early: Mapping[str, torch.Tensor]) -> None:
        """Take up where :meth:`state` and :meth:`early` were saved."""
        self._generator.set_state(state["generator"].cpu())
        if early and all(target.name in early for target in self.targets):
            self._early = EarlyWeights({t.name: early[t.name] for t in self.targets})
