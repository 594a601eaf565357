"""What the criteria of first order gather from the gradients while a model trains."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from prunetool.pruning import ranks
from prunetool.pruning.criteria import Criterion
from prunetool.pruning.shards import local
from prunetool.pruning.targets import Target


class Gathered:
    """One sum a target, of its shape, in single precision (double for doubles).

    Args:
        criterion: what to sum up; nothing for a criterion that needs no gradients.
    """

    def __init__(self, criterion: Criterion) -> None:
        self.criterion = criterion
        self._sums: dict[str, Tensor] = {}

    def step(self, targets: Sequence[Target]) -> None:
        """Add one optimizer step: called when gradients are complete and weights not yet moved.

        A step with a gradient that is not finite adds nothing: a gradient scaler skips it.
        """
        if not self.criterion.needs_gradients:
            return
        gradients = {t.name: _dense(t.parameter.grad) for t in targets}
        if not _are_finite([g for g in gradients.values() if g is not None], targets):
            return
        for target in targets:
            gradient = gradients[target.name]
            if gradient is not None:
                self._add(target, gradient)

    def _add(self, target: Target, gradient: Tensor) -> None:
        weight = target.part
        wide = torch.promote_types(weight.dtype, torch.float32)
        product = weight.to(wide) * gradient.to(wide)
        known = self._sums.get(target.name)
        if known is None:
            known = self._sums[target.name] = torch.zeros_like(product)
        if self.criterion is Criterion.SALIENCY:
            known.add_(product.abs_())
        else:
            known.sub_(product)

    def event(self) -> None:
        """An event has happened: saliency starts anew, movement goes on."""
        if self.criterion is Criterion.SALIENCY:
            self._sums.clear()

    def of(self, target: Target) -> Tensor | None:
        """Give what was gathered for ``target``, on its device; None if nothing was."""
        known = self._sums.get(target.name)
        return None if known is None else known.to(target.parameter.device)

    def state(self) -> dict[str, Tensor]:
        """Give the sums by name, for a checkpoint."""
        return dict(self._sums)

    def load(self, sums: Mapping[str, Tensor], targets: Sequence[Target]) -> None:
        """Take up where :meth:`state` was saved."""
        devices = {target.name: target.parameter.device for target in targets}
        self._sums = {
            name: value.to(devices[name]).clone() for name, value in sums.items() if name in devices
        }


def _dense(gradient: Tensor | None) -> Tensor | None:
    if gradient is None:
        return None
    gradient = local(gradient)
    return gradient.to_dense() if gradient.is_sparse else gradient


def _are_finite(gradients: Sequence[Tensor], targets: Sequence[Target]) -> bool:
    """Whether there are gradients and all are finite, in every process that holds a part."""
    sums = [gradient.sum(dtype=torch.float64).cpu() for gradient in gradients]
    finite = bool(sums) and bool(torch.stack(sums).isfinite().all())
    shard = next((target.shard for target in targets if target.shard is not None), None)
    if shard is None:
        return finite
    return not bool(ranks.largest(torch.tensor(int(not finite)), shard.device))
