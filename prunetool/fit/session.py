"""The state that all pruning callbacks of one trainer share during a fit: one set of masks.

Two callbacks on the same parameters see each other's work, and a parameter is masked once a step
however many there are. The first pruning callback of the trainer drives the session.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from prunetool.fit.interference import sharing_storage
from prunetool.fit.layout import Found, reparametrise
from prunetool.fit.stepping import Stepping
from prunetool.pruning.masks import MaskSet
from prunetool.pruning.shards import is_fsdp
from prunetool.pruning.targets import Target

if TYPE_CHECKING:
    from torch.optim import Optimizer


class Session:
    """Masks, the values under them where those are kept, and the hooks on the optimizers.

    Args:
        model: the module being fitted; only a weak reference is held.
        keep_values: pruned values must not be lost (``make_pruning_permanent=False``).
    """

    def __init__(self, model: nn.Module, *, keep_values: bool) -> None:
        self.masks = MaskSet()
        self.keep_values = keep_values
        self._model: weakref.ref[nn.Module] | None = weakref.ref(model)
        self._targets: dict[str, Target] = {}
        self._originals: dict[str, Tensor] = {}
        self._averaged: list[nn.Module] = []
        self._stepping = Stepping(self.masks)

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what belongs to one process: the model's reference, hooks and optimizers."""
        return {**self.__dict__, "_model": None, "_averaged": [], "_stepping": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._stepping = Stepping(self.masks)
        self._know_parameters()

    def belongs_to(self, model: nn.Module) -> bool:
        """Whether this session's masks are those of ``model``."""
        return self._model is not None and self._model() is model

    def enrol(self, targets: Sequence[Target]) -> None:
        """Give each target a mask, unless another callback has enrolled it already."""
        for target in targets:
            self.masks.add(target.name, target.parameter)
            self._targets[target.name] = target
        self._know_parameters()

    def watch(
        self,
        optimizers: Iterable[Optimizer],
        averaged: Iterable[nn.Module],
        *,
        look_again: bool = False,
    ) -> None:
        """Mask what goes into and comes out of every step, and whatever ``averaged`` models hold.

        Args:
            optimizers: torch's own optimizers, not Lightning's wrappers.
            averaged: models that average the weights; see :func:`averaged_models`.
            look_again: the user's code may change gradients after :meth:`mask_gradients`
                (:func:`prunetool.fit.interference.may_change_gradients`): mask them right before
                each step too.
        """
        self._stepping.watch(optimizers, look_again=look_again)
        self._averaged = list(averaged)

    def release(self) -> None:
        """Remove every hook and let go of the optimizers; the masks stay."""
        self._stepping.release()
        self._averaged = []

    def take(self, found: Found) -> None:
        """Add masks that were loaded or found; unknown names are left out.

        Raises:
            ValueError: if a mask does not have the shape of its parameter.
        """
        for name, kept in found.masks.items():
            target = self._targets.get(name)
            if target is None:
                continue
            if kept.shape != target.parameter.shape:
                raise ValueError(
                    f"{name}: the checkpoint's mask has shape {tuple(kept.shape)}, "
                    f"the parameter {tuple(target.parameter.shape)}; is it another model's?"
                )
            if self.keep_values:
                # Read before the mask grows: what it newly covers is still in the parameter.
                values = self.original(name, target.part)
                if name in found.originals:
                    values = self.masks.part(name, found.originals[name])
                self._originals[name] = values.to(target.part.device).clone()
            self.masks.prune(name, ~self.masks.part(name, kept))

    def remember_values(self) -> None:
        """Before an event: note the values that the event may prune."""
        if self.keep_values:
            for name, target in self._targets.items():
                self._originals[name] = self.original(name, target.part).clone()

    def original(self, name: str, tensor: Tensor) -> Tensor:
        """Give ``tensor``, the masked form of ``name``, with what was pruned put back.

        Of a sharded tensor it is this process's part.
        """
        return put_back(tensor, self.masks.pruned(name), self._originals.get(name))

    def reset(self, target: Target, value: Tensor) -> None:
        """Set a parameter to ``value`` under its mask; what is under the mask is ``value`` too.

        Of a sharded parameter it is this process's part.
        """
        self._reshard()
        with torch.no_grad():
            target.part.copy_(value)
        if self.keep_values:
            self._originals[target.name] = target.part.clone()
        self.masks.zero_(target.name, target.parameter)

    def settle(self) -> None:
        """Make everything obey the masks: weights, averaged weights, optimizer state."""
        self._reshard()
        self._stepping.settle()
        self.mask_averaged()

    def tidy(self) -> None:
        """Mask the weights that were changed by hand since the last step; costs next to nothing."""
        self._stepping.tidy()

    def mask_averaged(self) -> None:
        """Mask the averaged copies; averages of zeros then stay zero."""
        for model in self._averaged:
            for name, parameter in model.named_parameters():
                if name in self.masks:
                    self.masks.zero_(name, parameter)

    def mask_gradients(self, optimizer: Optimizer) -> None:
        """Zero the gradients of pruned elements among the optimizer's parameters."""
        self._stepping.mask_gradients(optimizer)

    def mask_all_gradients(self) -> None:
        """Zero the gradients of all pruned elements: under manual optimization, after backward."""
        self._stepping.mask_all_gradients()

    def leave_masks_on_modules(self) -> None:
        """Hand the masks to torch: ``NAME_orig``, ``NAME_mask`` and the hook on every target.

        Not where targets are sharded: torch's hook does not know how; there the weights stay
        plain, with zeros, and the values under the masks are in the checkpoints.
        """
        if not any(self.masks.count(name) for name in self._targets) or self.is_sharded:
            return
        for name, target in self._targets.items():
            whole = self.original(name, target.parameter.detach())
            with torch.no_grad():
                target.parameter.copy_(whole)
            for site in target.sites:
                reparametrise(site, self.masks.kept(name))
        self._originals.clear()

    @property
    def is_sharded(self) -> bool:
        """Whether any target is spread over processes."""
        return any(target.shard is not None for target in self._targets.values())

    @property
    def targets(self) -> dict[str, Target]:
        """All that have a mask, by name."""
        return dict(self._targets)

    def originals(self) -> dict[str, Tensor]:
        """Give the values kept under masks, by name: this process's parts."""
        return dict(self._originals)

    def restore_originals(self, originals: Mapping[str, Tensor]) -> None:
        """Take up what :meth:`originals` gave."""
        self._originals.update(originals)

    def _reshard(self) -> None:
        """Have FSDP drop gathered copies: after a validation it would train on with them."""
        model = self._model() if self._model is not None else None
        if model is None or not self.is_sharded:
            return
        for module in model.modules():
            if is_fsdp(module):
                module.reshard()  # type: ignore[operator]

    def _know_parameters(self) -> None:
        model = self._model() if self._model is not None else None
        self._stepping.know(
            {name: target.parameter for name, target in self._targets.items()},
            entangled=sharing_storage(model) if model is not None else (),
        )


def put_back(tensor: Tensor, pruned: Tensor, remembered: Tensor | None) -> Tensor:
    """Give ``tensor`` with the remembered values where the bool ``pruned`` is True."""
    if remembered is None:
        return tensor
    return torch.where(pruned.to(tensor.device), remembered.to(tensor), tensor)


def averaged_models(callbacks: Iterable[object]) -> list[nn.Module]:
    """Find the models in which Lightning's EMA and SWA callbacks average the weights.

    Both keep theirs in ``_average_model``; nothing else on a callback is touched: a model there
    may be a teacher, which must stay dense.
    """
    found = []
    for callback in callbacks:
        model = getattr(callback, "_average_model", None)
        if isinstance(model, AveragedModel):
            model = model.module
        if isinstance(model, nn.Module):
            found.append(model)
    return found
