"""``ModelPruning``: a Lightning callback that prunes in place while a model trains."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from torch import Tensor, nn
from torch.nn.utils.prune import BasePruningMethod

from prunetool.fit import arguments, spellings
from prunetool.fit.axes import Axes, with_axes
from prunetool.fit.choice import documented_sites
from prunetool.fit.clock import Clock, Hook
from prunetool.fit.history import Event
from prunetool.fit.hooks import PruningHooks
from prunetool.fit.settings import DOCUMENTED, MATRICES, Settings, window
from prunetool.pruning.criteria import Norm
from prunetool.pruning.schedules import Curve, Schedule
from prunetool.pruning.shards import like
from prunetool.pruning.targets import Site


class ModelPruning(PruningHooks):
    """Prune the parameters of a model while it trains.

    The arguments up to ``prune_on_train_epoch_end`` are those of
    ``lightning.pytorch.callbacks.ModelPruning`` and mean the same. Parameters stay where they are:
    pruned elements are held at exactly zero, in the model and in every checkpoint, and the masks
    travel in the checkpoints, so that a resumed fit goes on with them.

    Every argument can be written in YAML and on the command line of a LightningCLI.

    Args:
        pruning_fn: ``"l1_unstructured"``, ``"random_unstructured"``, ``"ln_structured"`` or
            ``"random_structured"``, or a ``torch.nn.utils.prune.BasePruningMethod`` subclass (or
            the import path of one, as text or as ``{"class_path": ...}``).
        parameters_to_prune: pairs (module, parameter name), or names of parameters
            (``"encoder.0.weight"``); empty for every weight and bias.
        parameter_names: of ``"weight"`` and ``"bias"``, those to prune where
            ``parameters_to_prune`` is empty; None for both.
        use_global_unstructured: let the elements of all tensors compete in one pool; otherwise
            each tensor is pruned by itself.
        amount: how much each event prunes **of what remains**: a share in [0, 1], a number of
            elements (or channels), or a callable of the epoch that gives one of them (or its
            import path). Events compound: 0.5 at the end of three epochs leaves 12.5 %. See
            ``sparsity``.
        apply_pruning: whether to prune, epochs from 0 as ``"2-10/2,15"``, or a callable of the
            epoch that says so (or its import path).
        make_pruning_permanent: checkpoints and the final model hold plain weights with zeros.
            Otherwise they hold the layout of ``torch.nn.utils.prune`` (``NAME_orig`` and
            ``NAME_mask``), and nothing under a mask is lost.
        use_lottery_ticket_hypothesis: after an event, reset what survives to its early value
            (Frankle & Carbin 2019, arXiv 1803.03635). True spares the event after the last epoch
            of a fit, which nothing could train again; epochs and callables, as for
            ``apply_pruning``, are obeyed.
        resample_parameters: reset to newly drawn initial values instead.
        pruning_dim: the dimension that counts channels, for the structured methods.
        pruning_norm: the norm of a channel for ``ln_structured``: a number, ``"inf"``, ``"fro"``
            or ``"nuc"``.
        verbose: 1 logs the sparsity at each event, 2 that of each tensor too, also to the loggers.
        prune_on_train_epoch_end: events come at the end of a training epoch; otherwise at the end
            of each validation.
        sparsity: the fraction, in [0, 1), of all target elements that is pruned in the end, to
            the element; ``amount`` then plays no part.
        schedule: the curve to ``sparsity``: ``"one-shot"``, ``"linear"``, ``"cubic"`` or
            ``"exponential"`` (see :mod:`prunetool.pruning.schedules`), or a callable (or its
            import path) of the progress in [0, 1] that gives the fraction of ``sparsity`` that is
            due; the last event lands on ``sparsity`` whatever it says.
        start: epochs (``3``) or optimizer steps (``"500s"``) to train before; 0 by default.
        end: when ``sparsity`` is reached, likewise; after 70 % of the training by default.
        every: epochs or steps between events; 1 epoch by default.
        include: globs over parameter names; only what they match takes part.
        exclude: globs over parameter names that do not take part.
        default_targets: ``"documented"`` (every weight and bias) or ``"matrices"`` (floating
            parameters of two or more dimensions outside normalisation and embedding layers).
        rewind_step: early values are those after this many optimizer steps (Frankle et al. 2020,
            arXiv 1912.05671).
        prune_before_validation: events come after the last batch of an epoch, before validation:
            metrics and checkpoints then belong to the pruned weights.
        criterion: what scores an element: ``"magnitude"``, ``"random"``, ``"saliency"`` or
            ``"movement"`` (see :mod:`prunetool.pruning.criteria`); None for what ``pruning_fn``
            means.
        pattern: what goes together: ``"elements"``, ``"channels"`` (with ``pruning_dim``, and
            ``pruning_norm``, 2 by default), or N:M such as ``"2:4"``: of 4 consecutive elements
            along the input dimension 2 stay. None for what ``pruning_fn`` means.
        allocation: how a total is shared among tensors: ``"global"``, ``"uniform"``, ``"erk"`` or
            ``"lamp"`` (see :mod:`prunetool.pruning.allocation`); None for what
            ``use_global_unstructured`` means.
        max_layer_sparsity: no tensor becomes sparser than this, in (0, 1]; the others give so much
            more that the total is what was asked for.
        min_layer_density: the same bound from the other side, in [0, 1); the stricter counts.
        skip_unfit: leave out tensors whose shape N:M does not fit, instead of refusing them.

    Attributes:
        initial_masks: masks to start a fit from, by parameter name; bool, True where kept.
        plan_lines: the plan in words, once training has started.
        planned_events: (moment, "epoch" or "step", sparsity) of each event to come, once training
            has started; empty where that is open.
        figures: what is logged at each event and at the end of each epoch, by name: ``sparsity``
            (the pruned share of the targets), ``pruned_elements``, ``sparsity_target`` where a
            ``sparsity`` was asked for, and ``sparsity/LAYER`` with ``verbose=2``. They go to every
            logger of the trainer and into ``trainer.callback_metrics``, so that
            ``ModelCheckpoint`` and ``EarlyStopping`` can monitor them. Several pruning callbacks
            of a trainer number theirs (``sparsity_1``) beside the ``sparsity`` of all targets.

    Raises:
        MisconfigurationException: if ``parameter_names`` holds another name than weight and bias;
            if ``pruning_fn`` is not supported, or neither a str nor a ``BasePruningMethod``; if a
            structured method lacks ``pruning_dim`` or ``pruning_norm``, or is asked for with
            ``use_global_unstructured=True``; if ``amount`` or ``verbose`` is something else; and
            when a fit starts, if a parameter is not in the model or nothing can be pruned.
    """

    PARAMETER_NAMES: ClassVar[tuple[str, ...]] = arguments.PARAMETER_NAMES

    def __init__(
        self,
        pruning_fn: str | type[BasePruningMethod] | dict[str, Any] = "l1_unstructured",
        parameters_to_prune: Sequence[tuple[Any, str] | str] = (),  # else help lists all modules
        parameter_names: list[str] | None = None,
        use_global_unstructured: bool = True,
        amount: int | float | str | Callable[[int], int | float] = 0.5,
        apply_pruning: bool | str | Callable[[int], bool] = True,
        make_pruning_permanent: bool = True,
        use_lottery_ticket_hypothesis: bool | str | Callable[[int], bool] = True,
        resample_parameters: bool = False,
        pruning_dim: int | None = None,
        pruning_norm: Norm | None = None,
        verbose: int = 0,
        prune_on_train_epoch_end: bool = True,
        *,
        sparsity: float | None = None,
        schedule: str | Curve = "cubic",
        start: int | str | None = None,
        end: int | str | None = None,
        every: int | str | None = None,
        include: Sequence[str] | str = (),
        exclude: Sequence[str] | str = (),
        default_targets: str = DOCUMENTED,
        rewind_step: int = 0,
        prune_before_validation: bool = False,
        criterion: str | None = None,
        pattern: str | None = None,
        allocation: str | None = None,
        max_layer_sparsity: float | None = None,
        min_layer_density: float | None = None,
        skip_unfit: bool = False,
    ) -> None:
        arguments.check_parameter_names(parameter_names or ())
        axes = Axes(criterion, pattern, allocation, max_layer_sparsity, min_layer_density)
        function = _function(
            spellings.as_method(pruning_fn),
            axes,
            pooled=use_global_unstructured,
            dim=pruning_dim,
            norm=pruning_norm,
        )
        schedule = spellings.as_curve(schedule)
        self.amount = spellings.as_amount(amount)
        arguments.check_amount(self.amount)
        arguments.check_verbose(verbose)
        arguments.check_sparsity(sparsity)
        arguments.check_choice("default_targets", default_targets, (DOCUMENTED, MATRICES))
        if not callable(schedule):
            arguments.check_choice("schedule", schedule, [known.value for known in Schedule])
        settings = Settings(
            function=function,
            requested=parameters_to_prune,
            parameter_names=parameter_names or (),
            default_targets=default_targets,
            include=tuple(spellings.as_list(include)),
            exclude=tuple(spellings.as_list(exclude)),
            applies=spellings.as_choice("apply_pruning", apply_pruning),
            permanent=make_pruning_permanent,
            rewinds=spellings.as_choice(
                "use_lottery_ticket_hypothesis", use_lottery_ticket_hypothesis
            ),
            resample=resample_parameters,
            rewind_step=rewind_step,
            verbose=verbose,
            sparsity=sparsity,
            schedule=schedule if callable(schedule) else Schedule(schedule),
            window=window(start, end, every, needed=sparsity is not None),
            skip_unfit=skip_unfit,
        )
        clock = Clock(
            settings.window,
            settings.schedule,
            Hook.EPOCH_END if prune_on_train_epoch_end else Hook.VALIDATION_END,
            before_validation=prune_before_validation,
        )
        super().__init__(settings, clock)
        self.pruning_fn = function.public

    # --- what users call and override ---------------------------------------------------------

    def filter_parameters_to_prune(
        self, parameters_to_prune: Sequence[Site] = ()
    ) -> Sequence[Site]:
        """Override this to choose among the parameters that were found or asked for."""
        return parameters_to_prune

    def apply_pruning(self, amount: float) -> None:
        """Prune ``amount`` of what remains; called at each event of a fit.

        Between two fits of the same model it may be called too, to prune in rounds.

        Raises:
            MisconfigurationException: before the first fit.
        """
        self._in_a_fit().prune(amount)

    def prune_to(self, sparsity: float) -> None:
        """Prune until the fraction ``sparsity`` in [0, 1] of all units is gone, now.

        Raises:
            MisconfigurationException: before the first fit.
            ValueError: if the pattern or the layers' bounds do not let so much go.
        """
        pruner = self._in_a_fit()
        pruner.prune(pruner.toward(sparsity))

    def redraw(self) -> None:
        """Set the targets to newly drawn initial values under their masks, now.

        With masks found by rounds of training and pruning this is the control of Frankle & Carbin
        2019: the same ticket, other weights.

        Raises:
            MisconfigurationException: before the first fit; or if a module cannot draw new values.
        """
        self._in_a_fit().ticket.redraw()

    def shuffle_masks(self) -> None:
        """Put the mask of each target elsewhere in it at random, now; as much stays pruned.

        This is the control of Frankle et al. 2021 (arXiv 2009.08576). What comes back is zero
        until weights are loaded.

        Raises:
            MisconfigurationException: before the first fit.
        """
        self._in_a_fit().ticket.shuffle()

    def apply_lottery_ticket_hypothesis(self) -> None:
        r"""Reset the targets to their early values under their masks.

        This is step 4 on page 2 of Frankle & Carbin 2019 (arXiv 1803.03635): after training to
        :math:`\theta_j` and pruning by a mask :math:`m`, go on from
        :math:`m \odot \theta_0`; with ``resample_parameters`` from newly drawn values.
        """
        self._in_a_fit().ticket.reset()

    def make_pruning_permanent(self, module: nn.Module) -> None:
        """Remove the reparametrisations of ``torch.nn.utils.prune`` from ``module``, masks applied.

        During a fit with this callback there are none: its weights are plain already.
        """
        for submodule in module.modules():
            for key, hook in list(submodule._forward_pre_hooks.items()):
                if isinstance(hook, BasePruningMethod):
                    hook.remove(submodule)
                    del submodule._forward_pre_hooks[key]

    @staticmethod
    def sanitize_parameters_to_prune(
        pl_module: nn.Module,
        parameters_to_prune: Sequence[Site | str] = (),
        parameter_names: Sequence[str] = (),
    ) -> Sequence[Site]:
        """Check ``parameters_to_prune`` against the model, or list every weight and bias of it.

        Raises:
            MisconfigurationException: if one is not in the model, or the list has another form.
        """
        return documented_sites(pl_module, parameters_to_prune, parameter_names)

    # --- what a fit came to -------------------------------------------------------------------

    @property
    def masks(self) -> dict[str, Tensor]:
        """The masks of all targets by parameter name: bool, True where kept; empty before a fit.

        The mask of a sharded parameter (FSDP2) is a DTensor, spread as the parameter is.
        """
        if self._pruner is None:
            return {}
        masks = self._pruner.session.masks
        return {t.name: like(t.parameter, masks.kept(t.name)) for t in self._pruner.targets}

    @property
    def history(self) -> list[Event]:
        """The events so far, those of the run that a resumed fit goes on with included."""
        return list(self._pruner.history) if self._pruner else []

    @property
    def target_elements(self) -> int:
        """Elements of all targets, shared tensors once; 0 before a fit."""
        return self._pruner.elements if self._pruner else 0

    @property
    def pruned_elements(self) -> int:
        """Pruned elements of all targets."""
        return self._pruner.pruned if self._pruner else 0

    @property
    def planned_elements(self) -> int | None:
        """Pruned elements in the end, if all goes to plan; None where that is open."""
        return self._pruner.planned if self._pruner else None

    @property
    def achieved_sparsity(self) -> float:
        """Pruned share of the targets, in [0, 1]."""
        return self.pruned_elements / self.target_elements if self.target_elements else 0.0

    @property
    def current_target(self) -> float | None:
        """The sparsity that the last event aimed at; None without ``sparsity``."""
        return self._pruner.current_target if self._pruner else None


def _function(
    pruning_fn: type[BasePruningMethod] | str,
    axes: Axes,
    *,
    pooled: bool,
    dim: int | None,
    norm: Norm | None,
) -> arguments.PruningFunction:
    """Say what prunes: ``pruning_fn`` with what was said of the axes."""
    axes.check()
    norm = None if norm is None else arguments.as_norm(norm)
    # An allocation that is named settles what `use_global_unstructured` would.
    named = isinstance(pruning_fn, str)
    as_if_pooled = pooled if axes.allocation is None else not named
    function = arguments.resolve_pruning_fn(pruning_fn, pooled=as_if_pooled, dim=dim, norm=norm)
    return with_axes(function, axes, pooled=pooled, dim=dim, norm=norm)
