"""``--monitor NAME:min|max``: which epoch was the best, among those at the target sparsity."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from prunetool.errors import OptionError
from prunetool.suggest import did_you_mean


@dataclass(frozen=True)
class Monitor:
    """A metric, and which way is better.

    Attributes:
        name: as the model logs it.
        larger_is_better: the direction.
    """

    name: str
    larger_is_better: bool


def parse_monitor(text: str) -> Monitor:
    """Read ``NAME:min`` or ``NAME:max``; a name may hold colons itself.

    Raises:
        OptionError: for anything else.
    """
    name, colon, direction = text.rpartition(":")
    if not colon or not name or direction not in ("min", "max"):
        raise OptionError(
            f"--monitor {text}: expected NAME:min or NAME:max, as in --monitor val_acc:max"
        )
    return Monitor(name, direction == "max")


class BestSoFar:
    """Decides whether an epoch's weights are the best yet.

    Only weights at the target sparsity compete. Where the target is not known in advance
    (``--amount``), the sparser epoch always wins over a less sparse one.
    """

    def __init__(self, monitor: Monitor) -> None:
        self.monitor = monitor
        self.value: float | None = None
        self._pruned = 0

    def improves(self, metrics: dict[str, float], *, pruned: int, planned: int | None) -> bool:
        """Compare, and remember if it is an improvement.

        Args:
            metrics: the epoch's fresh metrics.
            pruned: elements pruned now.
            planned: elements that the target means, or None if that is not known.
        """
        value = metrics.get(self.monitor.name)
        if value is None or math.isnan(value) or (planned is not None and pruned < planned):
            return False
        if pruned == self._pruned and self.value is not None and not self._is_better(value):
            return False
        self.value, self._pruned = value, pruned
        return True

    def require_logged(self, logged: Collection[str]) -> None:
        """Complain about a metric that the model does not log.

        Raises:
            OptionError: with the names that it does log.
        """
        if self.monitor.name not in logged:
            names = ", ".join(sorted(logged)) or "nothing"
            hint = did_you_mean(self.monitor.name, logged)
            raise OptionError(
                f"--monitor {self.monitor.name}: the model does not log it; it logs {names}{hint}"
            )

    def state_dict(self) -> dict[str, Any]:
        """What a resumed run needs to go on."""
        return {"value": self.value, "pruned": self._pruned}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over what `state_dict` gave."""
        self.value, self._pruned = state["value"], state["pruned"]

    def _is_better(self, value: float) -> bool:
        assert self.value is not None
        return value > self.value if self.monitor.larger_is_better else value < self.value
