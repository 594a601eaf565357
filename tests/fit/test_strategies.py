from __future__ import annotations

import pytest
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.strategies import DDPStrategy, FSDPStrategy, ModelParallelStrategy

from prunetool.fit.strategies import refuse_strategy


class Mine(FSDPStrategy):
    pass


# Lightning's own needs the package deepspeed for an instance.
DeepSpeed = type("MineToo", (type("DeepSpeedStrategy", (), {}),), {})


@pytest.mark.parametrize(
    ("strategy", "fragment"),
    [
        (FSDPStrategy, "cannot prune under FSDPStrategy: FSDP1 .*ModelParallelStrategy"),
        (Mine, "cannot prune under FSDPStrategy"),
        (DeepSpeed, "cannot prune under DeepSpeedStrategy: DeepSpeed .*ModelParallelStrategy"),
    ],
)
def test_refused(strategy, fragment):
    with pytest.raises(MisconfigurationException, match=fragment):
        refuse_strategy(strategy())


@pytest.mark.parametrize("strategy", [DDPStrategy, ModelParallelStrategy])
def test_fine(strategy):
    refuse_strategy(strategy())
