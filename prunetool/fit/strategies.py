"""Which of Lightning's strategies cannot be pruned under, and what to use instead.

The strategies are known by name along the class's ``__mro__``: importing DeepSpeed, or either
Lightning, to ask ``isinstance`` would cost seconds.
"""

from __future__ import annotations

from lightning.fabric.utilities.exceptions import MisconfigurationException

_FSDP1 = (
    "FSDP1 keeps the weights as one flat piece a module, in which a mask has no place; shard the "
    "model itself with fully_shard in configure_model (FSDP2)"
)
_DEEPSPEED = (
    "DeepSpeed steps copies of the weights of its own, which no mask reaches; shard the model "
    "itself with fully_shard in configure_model (FSDP2)"
)
_REFUSED = {"FSDPStrategy": _FSDP1, "DeepSpeedStrategy": _DEEPSPEED}


def refuse_strategy(strategy: object) -> None:
    """Complain about a strategy that pruning does not work under, at the start of a fit.

    Args:
        strategy: ``trainer.strategy``.

    Raises:
        MisconfigurationException: saying what to use instead.
    """
    for base in type(strategy).__mro__:
        if reason := _REFUSED.get(base.__name__):
            raise MisconfigurationException(
                f"ModelPruning: cannot prune under {base.__name__}: {reason}, with "
                f"Trainer(strategy=ModelParallelStrategy(...))"
            )
