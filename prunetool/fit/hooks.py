"""The Lightning hooks of the callback: when what happens in a fit, and nothing of how.

The first pruning callback of a trainer leads: it opens the session that all share, and does once
what must be done once (masking, loading, saving).
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import Callback
from torch import Tensor, nn

from prunetool.fit import saved
from prunetool.fit.choice import choose_sites, choose_targets, in_order_of
from prunetool.fit.clock import Clock, Hook, length_of
from prunetool.fit.figures import Board, figures_of
from prunetool.fit.interference import may_change_gradients
from prunetool.fit.plan import announce, describe
from prunetool.fit.pruner import Pruner
from prunetool.fit.restoring import Restoring
from prunetool.fit.saving import write_into
from prunetool.fit.session import Session, averaged_models
from prunetool.fit.settings import DOCUMENTED, Settings
from prunetool.fit.sharding import require_prunable_in_parts
from prunetool.fit.strategies import refuse_strategy
from prunetool.pruning.schedules import CurveError
from prunetool.pruning.targets import Site

if TYPE_CHECKING:
    from torch.utils.hooks import RemovableHandle

Amount = int | float | Callable[[int], int | float]


class PruningHooks(Callback):
    """Everything that Lightning calls; what users call and override is in the subclass.

    Args:
        settings: what was asked for.
        clock: when events are due.
    """

    amount: Amount

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self.initial_masks: dict[str, Tensor] = {}
        self.plan_lines: list[str] = []
        self.planned_events: list[tuple[int, str, float]] = []
        self.figures: dict[str, float] = {}
        self._settings = settings
        self._clock = clock
        self._parameters_to_prune: Sequence[Site | str] = settings.requested
        self._restoring = Restoring()
        self._session: Session | None = None
        self._pruner: Pruner | None = None
        self._handles: list[RemovableHandle] = []
        self._board = Board()
        self._has_pruned = False  # since figures were last logged

    @abstractmethod
    def filter_parameters_to_prune(self, parameters_to_prune: Sequence[Site]) -> Sequence[Site]:
        """Choose among the parameters that were found or asked for."""

    @abstractmethod
    def sanitize_parameters_to_prune(
        self,
        pl_module: nn.Module,
        parameters_to_prune: Sequence[Site | str],
        parameter_names: Sequence[str],
    ) -> Sequence[Site]:
        """Check parameters against the model, or list the default ones."""

    @abstractmethod
    def apply_pruning(self, amount: float) -> None:
        """Prune once."""

    @abstractmethod
    def apply_lottery_ticket_hypothesis(self) -> None:
        """Reset to early values once."""

    @abstractmethod
    def make_pruning_permanent(self, module: nn.Module) -> None:
        """Remove torch's reparametrisations."""

    @property
    def state_key(self) -> str:
        """One key for all pruning callbacks and subclasses: renaming one must not lose masks."""
        return "ModelPruning"

    def setup(self, trainer: Any, pl_module: Any, stage: str) -> None:
        """Make ready for a checkpoint; what depends on layers waits until they are there."""
        self._restoring.forget()
        refuse_strategy(trainer.strategy)
        if self._leads(trainer):
            averaged = averaged_models(trainer.callbacks)
            self._restoring.prepare(pl_module, averaged=averaged, fitting=stage == "fit")

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Keep the state of a checkpoint until training starts."""
        if saved.MARK in state_dict:
            self._restoring.keep_state(state_dict)

    def on_load_checkpoint(self, trainer: Any, pl_module: Any, checkpoint: dict[str, Any]) -> None:
        """Find the state of a checkpoint under whatever key it was saved."""
        state = saved.find_state(checkpoint)
        if state is not None:
            source = None if trainer.ckpt_path is None else Path(trainer.ckpt_path)
            self._restoring.keep_state(state, source=source)

    def on_fit_start(self, trainer: Any, pl_module: Any) -> None:
        """Choose the targets and watch the optimizers."""
        self._restoring.close()
        leader = self._siblings(trainer)[0]
        if leader is self:
            self._open_session(trainer, pl_module)
        assert leader._session is not None
        self._session = leader._session
        sites = self.filter_parameters_to_prune(self._sites(pl_module))
        targets = choose_targets(
            pl_module,
            sites,
            include=self._settings.include,
            exclude=self._settings.exclude,
            pattern=self._settings.pattern,
            explicit=bool(self._settings.requested),
            skip_unfit=self._settings.skip_unfit,
        )
        require_prunable_in_parts(targets, self._settings.function.engine)
        listed = in_order_of(sites, targets)
        self._parameters_to_prune = [target.sites[0] for target in listed]
        before, self._pruner = self._pruner, Pruner(self._settings, self._session, targets, listed)
        self._pruner.seed(trainer, goes_on_from=before)
        self._clock.restart()
        self._handles = self._gather_where_no_hook_runs(trainer, pl_module)

    def on_sanity_check_start(self, trainer: Any, pl_module: Any) -> None:
        """Apply masks that were loaded: the sanity check should see the pruned weights."""
        self._install(trainer, pl_module)

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Apply masks that were loaded, keep the early weights, and say the plan."""
        self._install(trainer, pl_module)
        pruner = self._in_a_fit()
        pruner.ticket.keep_early(trainer)
        length = length_of(trainer)
        try:
            pruner.check(self.amount)
            self._clock.settle(length, endless=self._settings.sparsity is None)
        except ValueError as error:
            raise MisconfigurationException(str(error)) from None
        try:
            plan = describe(pruner, self._clock, self.amount, trainer, length)
        except CurveError as error:
            raise MisconfigurationException(str(error)) from None
        self.planned_events = plan.curve
        self.plan_lines = announce(plan)
        if self._is_last(trainer):
            self._board.begin(trainer, self._share_figures(trainer))

    def on_before_optimizer_step(self, trainer: Any, pl_module: Any, optimizer: Any) -> None:
        """Zero the gradients of pruned elements: after AMP has unscaled, before clipping."""
        if pl_module.automatic_optimization:
            self._in_a_fit().gather(getattr(optimizer, "optimizer", optimizer))
        if session := self._led(trainer):
            session.mask_gradients(getattr(optimizer, "optimizer", optimizer))

    def on_train_batch_start(
        self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int
    ) -> None:
        """Mask weights that the user's code has changed since the last step."""
        if session := self._led(trainer):
            session.tidy()

    def on_after_backward(self, trainer: Any, pl_module: Any) -> None:
        """Under manual optimization the user clips: mask gradients before that."""
        session = self._led(trainer)
        if session and not pl_module.automatic_optimization:
            session.mask_all_gradients()

    def on_train_batch_end(
        self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Keep the early weights at their step; events in steps, or before validation."""
        self._in_a_fit().ticket.keep_early(trainer)
        self._run_pruning(trainer, Hook.BATCH_END)
        self._log_events(trainer, Hook.BATCH_END)

    def on_validation_start(self, trainer: Any, pl_module: Any) -> None:
        """Metrics of a fit belong to the pruned weights, whatever has changed them."""
        session = self._led(trainer)
        if session and trainer.state.fn == "fit":
            session.settle()

    def on_validation_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """Events at the end of a validation within a fit: `trainer.validate` only looks."""
        if trainer.state.fn == "fit" and not trainer.sanity_checking:
            self._run_pruning(trainer, Hook.VALIDATION_END)
            self._log_events(trainer, Hook.VALIDATION_END)

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """Events at the end of an epoch."""
        if session := self._led(trainer):
            session.settle()
        self._run_pruning(trainer, Hook.EPOCH_END)
        self._log_events(trainer, Hook.EPOCH_END)

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        """Make averaged weights obey before they replace the model's."""
        if session := self._led(trainer):
            session.settle()
        if self._settings.permanent:
            self.make_pruning_permanent(pl_module)

    def on_save_checkpoint(self, trainer: Any, pl_module: Any, checkpoint: dict[str, Any]) -> None:
        """Put masks and state into the checkpoint, for all pruning callbacks at once."""
        siblings = self._siblings(trainer)
        if siblings[0] is not self or self._session is None:
            return
        early: dict[str, Tensor] = {}
        for sibling in siblings:
            early.update(sibling._pruner.ticket.early() if sibling._pruner else {})
        write_into(
            checkpoint,
            pl_module,
            self._session,
            key=self.state_key,
            state=saved.state_of(self._session.masks, early, [s._own_state() for s in siblings]),
            permanent=not self._session.keep_values,
        )

    def on_fit_end(self, trainer: Any, pl_module: Any) -> None:
        """Settle once more after averaging callbacks; hand kept masks over to torch."""
        # A checkpoint with nothing left to train skips every hook between on_fit_start and here.
        self._install(trainer, pl_module)
        if session := self._led(trainer):
            session.settle()
            if session.keep_values:
                session.leave_masks_on_modules()

    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
        """Remove every hook: an exception skips ``teardown``."""
        self._release()

    def teardown(self, trainer: Any, pl_module: Any, stage: str) -> None:
        """Remove every hook."""
        self._release()

    # --- between the hooks --------------------------------------------------------------------

    def _run_pruning(self, trainer: Any, hook: Hook) -> None:
        moment = self._clock.due(trainer, hook)
        if moment is None:
            return
        epoch = int(trainer.current_epoch)
        applies = self._settings.applies
        if not (applies(epoch) if callable(applies) else applies):
            return
        amount = self._in_a_fit().amount_at(moment, epoch, self._clock, self.amount)
        if not amount:
            return
        self.apply_pruning(amount)
        self._in_a_fit().record(trainer)
        self._has_pruned = True
        if self._in_a_fit().ticket.resets_after(trainer):
            self.apply_lottery_ticket_hypothesis()

    def _log_events(self, trainer: Any, hook: Hook) -> None:
        """Log the figures after events, and at the end of every epoch: all siblings' at once."""
        if not self._is_last(trainer):
            return
        siblings = self._siblings(trainer)
        event = any(sibling._has_pruned for sibling in siblings)
        if not event and hook is not Hook.EPOCH_END:
            return
        self._board.update(trainer, hook, self._share_figures(trainer), event=event)
        for sibling in siblings:
            sibling._has_pruned = False

    def _share_figures(self, trainer: Any) -> dict[str, float]:
        siblings = self._siblings(trainer)
        figures = figures_of([sibling._in_a_fit() for sibling in siblings])
        for sibling in siblings:
            sibling.figures = figures
        return figures

    def _is_last(self, trainer: Any) -> bool:
        """Whether the events of a hook are over when this callback's are."""
        return self._siblings(trainer)[-1] is self

    def _sites(self, pl_module: Any) -> Sequence[Site]:
        settings = self._settings
        if settings.requested or settings.default_targets == DOCUMENTED:
            return self.sanitize_parameters_to_prune(
                pl_module, settings.requested, settings.parameter_names
            )
        return choose_sites(pl_module, settings.parameter_names)

    def _open_session(self, trainer: Any, pl_module: Any) -> None:
        siblings = self._siblings(trainer)
        keep_values = not any(sibling._settings.permanent for sibling in siblings)
        if self._session is None or not self._session.belongs_to(pl_module):
            self._session = Session(pl_module, keep_values=keep_values)
        averaged = averaged_models(trainer.callbacks)
        look_again = may_change_gradients(trainer, pl_module, self)
        self._session.watch(trainer.optimizers, averaged, look_again=look_again)

    def _install(self, trainer: Any, pl_module: Any) -> None:
        pruner = self._in_a_fit()
        if self._leads(trainer):
            self._restoring.add_masks(self.initial_masks)
        try:
            state = self._restoring.install(pl_module, pruner.session)
        except ValueError as error:
            raise MisconfigurationException(str(error)) from None
        position = self._siblings(trainer).index(self)
        if state is not None and position < len(state["callbacks"]):
            own: Mapping[str, Any] = state["callbacks"][position]
            self._clock.load(own["clock"])
            pruner.load(own, state["early"])
        # Weights may have been loaded since the masks were made: tickets go back to dense ones.
        pruner.session.settle()
        pruner.count_units()

    def _own_state(self) -> dict[str, Any]:
        own = self._pruner.state() if self._pruner else {}
        return {**own, "clock": self._clock.state()}

    def _in_a_fit(self) -> Pruner:
        if self._pruner is None:
            raise MisconfigurationException(
                "the callback has no model yet: pruning happens during `trainer.fit`"
            )
        return self._pruner

    def _gather_where_no_hook_runs(self, trainer: Any, pl_module: Any) -> list[RemovableHandle]:
        """Under manual optimization: with `use_pl_optimizer=False` Lightning calls no hook."""
        pruner = self._in_a_fit()
        if pl_module.automatic_optimization or not pruner.method.criterion.needs_gradients:
            return []

        def before_step(optimizer: Any, *_ignored: Any) -> None:
            pruner.gather(optimizer)

        return [optimizer.register_step_pre_hook(before_step) for optimizer in trainer.optimizers]

    def _release(self) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles = []
        self._restoring.close()
        if self._session is not None:
            self._session.release()

    def _led(self, trainer: Any) -> Session | None:
        """Give the session if this callback drives it."""
        return self._session if self._leads(trainer) else None

    def _leads(self, trainer: Any) -> bool:
        return self._siblings(trainer)[0] is self

    @staticmethod
    def _siblings(trainer: Any) -> list[PruningHooks]:
        return [callback for callback in trainer.callbacks if isinstance(callback, PruningHooks)]
