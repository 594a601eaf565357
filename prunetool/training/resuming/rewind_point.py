"""``rewind.ckpt``: everything as of optimizer step K of the first round.

It is saved after the step itself and all that follows it; where the step is the last of an epoch,
when the epoch has ended. What belongs to the run and not to the moment (masks, the table of rounds)
is left out of it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from prunetool.errors import OptionError

# In the checkpoint's record: the options of every optimizer's parameter groups.
GROUPS = "groups"


class RewindPoint:
    """Waits for step K.

    Args:
        step: K.
        of_the_run: keys of callbacks whose state belongs to the run.
    """

    def __init__(self, step: int, *, of_the_run: tuple[str, ...]) -> None:
        self._step = step
        self._of_the_run = of_the_run
        self._waiting = False

    def require_reachable(self, trainer: Any) -> None:
        """Refuse a step that the training does not come to.

        Raises:
            OptionError: if its length is known.
        """
        steps = trainer.estimated_stepping_batches
        if math.isfinite(steps) and self._step >= steps:
            raise OptionError(
                f"--rewind-step {self._step}: a round has only {int(steps)} steps; choose a "
                f"smaller one (early steps are a few percent of the training), or train longer"
            )

    def train_starts(self, trainer: Any) -> bool:
        """Whether step 0 is to be saved now; a resumed round waits for what is still to come."""
        self._waiting = trainer.global_step < self._step
        return bool(trainer.global_step == self._step == 0)

    def is_due(self, trainer: Any) -> bool:
        """Whether the state as it is now is to be saved; once."""
        due = self._waiting and trainer.global_step >= self._step
        if due:
            self._waiting = False
        return due

    def amend(self, checkpoint: dict[str, Any], optimizers: Sequence[Any]) -> None:
        """Leave out of what is about to be saved what belongs to the run; note learning rates.

        They are among the optimizers' state too, but that is as large as the weights.
        """
        checkpoint["prunetool"][GROUPS] = [
            [{key: value for key, value in group.items() if key != "params"} for group in groups]
            for groups in (optimizer.param_groups for optimizer in optimizers)
        ]
        callbacks = checkpoint.get("callbacks", {})
        checkpoint["callbacks"] = {
            key: state for key, state in callbacks.items() if key not in self._of_the_run
        }
