"""Which logged metrics belong to the weights as they are now.

Lightning keeps the last value of every metric it ever saw: after an epoch without validation,
``callback_metrics`` still holds the ``val_loss`` of an earlier one. It puts a new tensor there for
every new value, so a metric is fresh where the tensor is another one than before.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor


class FreshMetrics:
    """Follows a trainer's ``callback_metrics`` through each epoch."""

    def __init__(self) -> None:
        self._before_epoch: dict[str, Tensor] = {}
        self._before_validation: dict[str, Tensor] = {}
        self._validated: set[str] = set()
        self._validated_at = -1

    def epoch_starts(self, trainer: Any) -> None:
        """Remember what was there; also to be called when a fit starts."""
        self._before_epoch = dict(trainer.callback_metrics)
        self._validated = set()

    def validation_starts(self, trainer: Any) -> None:
        """Remember what was there, to tell apart what the validation logs."""
        self._before_validation = dict(trainer.callback_metrics)

    def validation_ends(self, trainer: Any) -> None:
        """Note what the validation logged, and for which weights."""
        self._validated = _changed(self._before_validation, trainer.callback_metrics)
        self._validated_at = trainer.global_step

    @property
    def validated(self) -> set[str]:
        """What the epoch's last validation logged."""
        return self._validated

    def state_dict(self, trainer: Any) -> dict[str, Any]:
        """What an epoch that is gone on with in the middle needs."""
        current = dict(trainer.callback_metrics)
        fresh = _changed(self._before_epoch, current)
        return {
            "stale": [name for name in current if name not in fresh],
            "validated": sorted(self._validated),
            "validated_at": self._validated_at,
        }

    def load_state_dict(self, state: Mapping[str, Any], trainer: Any) -> None:
        """Take over what :meth:`state_dict` gave, once the trainer has its metrics back."""
        current = dict(trainer.callback_metrics)
        self._before_epoch = {name: current[name] for name in state["stale"] if name in current}
        self._validated = set(state["validated"])
        self._validated_at = state["validated_at"]

    def at_epoch_end(self, trainer: Any) -> dict[str, float]:
        """This epoch's metrics as numbers, without those validated before the last step."""
        current = dict(trainer.callback_metrics)
        stale = self._validated if self._validated_at != trainer.global_step else set()
        fresh = _changed(self._before_epoch, current) - stale
        return {name: float(current[name]) for name in current if name in fresh}


def _changed(before: dict[str, Tensor], after: dict[str, Tensor]) -> set[str]:
    return {name for name, value in after.items() if before.get(name) is not value}
