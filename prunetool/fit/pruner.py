"""One callback's pruning during a fit: its targets, its events, its early weights."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.utilities.rank_zero import rank_zero_warn

from prunetool.fit.clock import Clock
from prunetool.fit.forecast import (
    elements_of,
    require_enough,
    require_reachable,
    units_in_the_end,
)
from prunetool.fit.history import Event, as_rows, from_rows
from prunetool.fit.logs import log_event, pruned_counts
from prunetool.fit.session import Session
from prunetool.fit.settings import Settings
from prunetool.fit.ticket import Ticket
from prunetool.pruning.amounts import ShareToward, share_toward
from prunetool.pruning.custom import prune_with
from prunetool.pruning.gathering import Gathered
from prunetool.pruning.method import Method, choose
from prunetool.pruning.patterns import Channels
from prunetool.pruning.schedules import CurveError, sparsity_at
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
        self.history: list[Event] = []
        engine = settings.function.engine
        # A user's own method counts elements, as torch does.
        self.method = engine if isinstance(engine, Method) else Method()
        self._gathered = Gathered(self.method.criterion)
        self._compounded: int | None = None
        self._known_gone = 0  # counting sharded channels takes all processes; asking must not
        self._generator = torch.Generator()
        self.ticket = Ticket(settings, session, self.targets, self.method, self._generator)
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
        rooms = self.method.rooms(self.targets)
        aim = ShareToward(0.0, sparsity=self.settings.sparsity)
        units = units_in_the_end(self.method, rooms, aim, events=1)
        planned = elements_of(self.method, rooms, units)
        if not isinstance(self.method.pattern, Channels):
            return planned
        units = units if isinstance(units, int) else sum(units)
        # Which channels go, and so how many elements, is known only once they have gone.
        return self.pruned if self._known_gone >= units else max(planned, self.pruned + 1)

    @property
    def limit(self) -> float:
        """The most that the pattern and the bounds let go, as a share of all units.

        A collective where targets are sharded.
        """
        rooms = self.method.rooms(self.targets, self.session.masks)
        units = sum(room.units for room in rooms)
        return sum(room.most for room in rooms) / units if units else 0.0

    def check(self, amount: float | Callable[[int], float]) -> None:
        """Find out before the training what could never be reached.

        Raises:
            ValueError: saying what is asked for and what is possible.
        """
        rooms = self.method.rooms(self.targets, self.session.masks)
        names = [target.name for target in self.targets]
        if self.settings.sparsity is not None:
            require_reachable(rooms, self.settings.sparsity, unit=self.settings.unit)
        elif isinstance(amount, int):
            each = self.settings.each_tensor_for_itself
            require_enough(rooms, names, amount, unit=self.settings.unit, each=each)

    def seed(self, trainer: Any, *, goes_on_from: Pruner | None) -> None:
        """Seed the random choices from the run's seed, the same on every rank.

        A further fit of the same model goes on with the choices of the one before: pruning in
        rounds would otherwise draw the same numbers in each.
        """
        if goes_on_from is not None and goes_on_from.session is self.session:
            self._generator.set_state(goes_on_from._generator.get_state())
            return
        seed = int(os.environ.get("PL_GLOBAL_SEED", torch.initial_seed()))
        self._generator.manual_seed(trainer.strategy.broadcast(seed))

    def gather(self, optimizer: torch.optim.Optimizer) -> None:
        """Before a step of ``optimizer``: add its gradients to the scores that are made of them."""
        if self._gathered.criterion.needs_gradients:
            stepped = {id(p) for group in optimizer.param_groups for p in group["params"]}
            self._gathered.step([t for t in self.targets if id(t.parameter) in stepped])

    def expect(self, amount: float, events: int) -> None:
        """Work out what ``events`` events to come of a fixed ``amount`` compound to."""
        if not isinstance(self.settings.function.engine, Method):
            return  # a user's own method prunes what it likes
        rooms = self.method.rooms(self.targets, self.session.masks)
        units = units_in_the_end(self.method, rooms, amount, events=events)
        self._compounded = elements_of(self.method, rooms, units)

    def amount_at(
        self, moment: int, epoch: int, clock: Clock, amount: float | Callable[[int], float]
    ) -> float:
        """Give what the event at ``moment`` removes: ``amount``, or the way to the sparsity.

        Raises:
            MisconfigurationException: if a curve of the user's own gives no fraction.
        """
        sparsity = self.settings.sparsity
        if sparsity is None:
            return amount(epoch) if callable(amount) else amount
        assert clock.timeline is not None
        progress = clock.timeline.progress(moment)
        try:
            self.current_target = sparsity_at(self.settings.schedule, progress, target=sparsity)
        except CurveError as error:
            raise MisconfigurationException(str(error)) from None
        return self.toward(self.current_target)

    def toward(self, sparsity: float) -> ShareToward:
        """Express an absolute sparsity as a share of the units that remain."""
        total = sum(self.method.pattern.units(target.parameter.shape) for target in self.targets)
        return share_toward(sparsity, removed=self._units_gone(), total=total)

    def prune(self, amount: float) -> None:
        """Prune once: extend the masks, make everything obey them, and log."""
        masks, engine = self.session.masks, self.settings.function.engine
        before = pruned_counts(masks, self.listed)
        self.session.remember_values()
        if isinstance(engine, Method):
            chosen = choose(
                engine,
                self.targets,
                masks,
                amount,
                generator=self._generator,
                gathered=self._gathered,
            )
            for name, pruned in chosen.items():
                masks.put(name, pruned)
        else:
            prune_with(engine, self.listed, masks, amount, generator=self._generator)
        self._gathered.event()
        self.session.settle()
        after = pruned_counts(masks, self.listed)
        self.count_units()
        self._warn_of_emptied(before, after)
        if self.settings.verbose:
            log_event(
                self.settings.function.log_name,
                amount,
                self.listed,
                before=before,
                after=after,
                each_tensor=self.settings.verbose == 2,
            )

    def record(self, trainer: Any) -> None:
        """Note what an event came to."""
        achieved = self.pruned / self.elements
        epoch, step = int(trainer.current_epoch) + 1, int(trainer.global_step)
        self.history.append(Event(epoch, step, self.current_target, achieved))

    def count_units(self) -> None:
        """Count what is gone, after masks have changed; a collective for sharded channels."""
        self._known_gone = self._units_gone()

    def _warn_of_emptied(self, before: Sequence[int], after: Sequence[int]) -> None:
        emptied = [
            target.name
            for target, was, now in zip(self.listed, before, after, strict=True)
            if target.parameter.dim() > 1  # a bias or a norm's shift can do without
            and was < now == target.parameter.numel()
        ]
        if emptied:
            rank_zero_warn(
                f"ModelPruning: nothing is left of {', '.join(emptied)}; if that cuts the network, "
                "keep some of it (max_layer_sparsity), leave it out (exclude), or prune less"
            )

    def _units_gone(self) -> int:
        return sum(self.method.lost(target, self.session.masks) for target in self.targets)

    def state(self) -> dict[str, Any]:
        """Give what a checkpoint keeps of this callback alone."""
        return {
            "generator": self._generator.get_state(),
            "gathered": self._gathered.state(),
            "history": as_rows(self.history),
            "target": self.current_target,
        }

    def load(self, state: Mapping[str, Any], early: Mapping[str, torch.Tensor]) -> None:
        """Take up where :meth:`state` and the ticket were saved."""
        self._generator.set_state(state["generator"].cpu())
        self._gathered.load(state.get("gathered", {}), self.targets)
        self.history = from_rows(state.get("history", []))
        planned = self.history[-1].planned if self.history else None
        self.current_target = state.get("target", planned)
        self.ticket.load(early)
