"""Lightning's callback and ours in several processes; run by ranks.py."""

from __future__ import annotations

import warnings
from typing import Any

import torch
import torch.distributed as dist
from fsdp2 import Model, loader
from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import ModelPruning as Reference
from lightning.pytorch.strategies import ModelParallelStrategy

from prunetool import ModelPruning

CALLBACKS = {"reference": Reference, "prunetool": ModelPruning}


class Unequal(Model):
    """Each process has random numbers of its own, as after a draw that depends on its data."""

    def on_train_start(self) -> None:
        torch.manual_seed(dist.get_rank())


def fit(which: str, strategy: Any) -> Model:
    warnings.simplefilter("ignore")
    torch.manual_seed(0)
    model = Unequal()
    pruning = CALLBACKS[which](
        "random_unstructured", amount=0.5, use_lottery_ticket_hypothesis=False
    )
    trainer = Trainer(
        accelerator="cpu", devices=2, strategy=strategy, max_epochs=1, logger=False,
        callbacks=[pruning], enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False, num_sanity_val_steps=0,
    )  # fmt: skip
    trainer.fit(model, loader(1), loader(2))
    return model


def ddp(which: str) -> None:
    """Print whether both processes have the same zeros."""
    model = fit(which, "ddp")
    zeros = [p.detach().reshape(-1) == 0 for p in model.parameters()]
    own = torch.cat(zeros).to(torch.uint8)
    both = own.clone()
    dist.all_reduce(both)
    assert int(own.sum()) == round(0.5 * own.numel())
    print(bool((both == 2 * own).all()))


def fsdp2(which: str) -> None:
    """Print what a fit of a sharded model ends with."""
    try:
        fit(which, ModelParallelStrategy(data_parallel_size=2, tensor_parallel_size=1))
    except Exception as error:
        print(type(error).__name__)
    else:
        print("done")
