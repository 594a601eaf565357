"""Fits with pruning beside the same fits masked by hand, and a look at every step in between."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import lightning.pytorch as pl
import torch
from torch import Tensor, nn

from prunetool import ModelPruning

NO_TICKET = {"use_lottery_ticket_hypothesis": False}


def random_masks(
    model: nn.Module, names: list[str], *, seed: int = 5, share: float = 0.6
) -> dict[str, Tensor]:
    """Draw masks: bool, True where kept; about ``share`` of each is pruned."""
    generator = torch.Generator().manual_seed(seed)
    return {
        name: torch.rand(model.get_parameter(name).shape, generator=generator) >= share
        for name in names
    }


def masked_from_the_start(kept: Mapping[str, Tensor], model: nn.Module) -> ModelPruning:
    """Give a callback that holds ``kept`` from the first step on and prunes nothing more."""
    targets = []
    for name in kept:
        module, _, leaf = name.rpartition(".")
        targets.append((model.get_submodule(module), leaf))
    callback = ModelPruning("l1_unstructured", targets, apply_pruning=False, **NO_TICKET)
    callback.initial_masks = dict(kept)
    return callback


class ByHand(pl.Callback):
    """The reference: multiplies gradients and weights by the masks, with nothing of prunetool.

    Gradients are multiplied as they are accumulated, by hooks on the parameters; weights after
    every step.

    Args:
        kept: bool tensors by parameter name.
        epoch: at the end of which the masks come; None: before training. Optimizer state of the
            parameters' shape is multiplied then.
    """

    def __init__(self, kept: Mapping[str, Tensor], epoch: int | None = None) -> None:
        self.kept = kept
        self.epoch = epoch

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        if self.epoch is None:
            self._begin(trainer, pl_module)

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        if trainer.current_epoch == self.epoch:
            self._begin(trainer, pl_module)

    @torch.no_grad()
    def _begin(self, trainer: Any, model: Any) -> None:
        for name, kept in self.kept.items():
            parameter = model.get_parameter(name)
            parameter.masked_fill_(~kept, 0)
            if parameter.requires_grad:
                parameter.register_hook(lambda grad, kept=kept: torch.where(kept, grad, 0))
            for optimizer in trainer.optimizers:
                for value in optimizer.state.get(parameter, {}).values():
                    if isinstance(value, Tensor) and value.shape == kept.shape:
                        value.masked_fill_(~kept, 0)
        for optimizer in trainer.optimizers:
            optimizer.register_step_post_hook(lambda *_: self._multiply(model))

    @torch.no_grad()
    def _multiply(self, model: Any) -> None:
        for name, kept in self.kept.items():
            model.get_parameter(name).masked_fill_(~kept, 0)


class Watching(pl.Callback):
    """Looks at weights and optimizer state after every step, from the step's own hook.

    Stands behind the pruning callback, so that its hook runs after that one's.

    Args:
        kept: bool tensors by parameter name; a callable where they come during the fit. It is
            asked at every look and may give none.
    """

    def __init__(self, kept: Mapping[str, Tensor] | Callable[[], Mapping[str, Tensor]]) -> None:
        self.kept = kept if callable(kept) else lambda: kept
        self.looks = 0
        self.checkpoints = 0

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        for optimizer in trainer.optimizers:
            optimizer.register_step_post_hook(lambda *_: self.look(trainer, pl_module))

    def on_train_batch_end(self, trainer: Any, pl_module: Any, *_: Any) -> None:
        self.look(trainer, pl_module)

    def look(self, trainer: Any, model: Any) -> None:
        for name, kept in self.kept().items():
            parameter = model.get_parameter(name)
            assert not parameter.detach()[~kept].any(), f"{name} moved"
            for optimizer in trainer.optimizers:
                assert_no_state(name, parameter, kept, optimizer)
            self.looks += 1

    def on_save_checkpoint(self, trainer: Any, pl_module: Any, checkpoint: dict) -> None:
        for name, kept in self.kept().items():
            assert not checkpoint["state_dict"][name][~kept].any(), f"{name} in a checkpoint"
            self.checkpoints += 1


def assert_no_state(
    name: str, parameter: Tensor, kept: Tensor, optimizer: torch.optim.Optimizer
) -> None:
    for key, value in optimizer.state.get(parameter, {}).items():
        if isinstance(value, Tensor) and value.shape == kept.shape:
            assert not value[~kept].any(), f"{name}: {key} is left"


def weights_of(model: nn.Module) -> dict[str, Tensor]:
    """Copy every parameter, by name."""
    return {name: p.detach().clone() for name, p in model.named_parameters()}


def assert_same(ours: Mapping[str, Tensor], reference: Mapping[str, Tensor]) -> None:
    """Every tensor equal to the bit, -0.0 and 0.0 aside."""
    assert ours.keys() == reference.keys()
    different = [name for name in ours if not torch.equal(ours[name], reference[name])]
    assert different == []
