"""What torture_resume.py trains.

The training depends on everything that a resumed run has to bring back: a shuffled order of
batches, dropout, the optimizer's state, a learning rate that falls along the whole of it, and
metrics that are averaged over an epoch.
"""

from __future__ import annotations

import os
from typing import Any

import lightning.pytorch as pl
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset
from torchmetrics import MeanMetric

# Names a file that gets one byte for each training step, whichever process takes it.
STEPS = "PRUNETOOL_TORTURE_STEPS"
INPUTS, CLASSES = 64, 12


class Victim(pl.LightningModule):
    """Three linear layers, ``width`` x ``width`` weights in the middle one.

    Args:
        optimizer: ``sgd`` with momentum, or ``adamw``.
        width: of the hidden layers; 1024 makes checkpoints of about 10 MB.
        examples: of the training; 32 are a batch.
        own_generator: whether the loader shuffles with a generator of its own.
    """

    def __init__(
        self,
        optimizer: str = "sgd",
        width: int = 1024,
        examples: int = 1000,
        own_generator: bool = False,
    ) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.first = nn.Linear(INPUTS, width)
        self.middle = nn.Linear(width, width)
        self.last = nn.Linear(width, CLASSES)
        self.dropout = nn.Dropout(0.1)
        self.mean_loss = MeanMetric()

    def forward(self, inputs: Tensor) -> Tensor:
        hidden = self.dropout(self.first(inputs).relu())
        out: Tensor = self.last(self.dropout(self.middle(hidden).relu()))
        return out

    def training_step(self, batch: Any, _index: int) -> Tensor:
        count_step()
        loss = nn.functional.cross_entropy(self(batch[0]), batch[1])
        self.mean_loss(loss)
        self.log("train_loss", loss, on_step=False, on_epoch=True)
        self.log("train_mean", self.mean_loss, on_step=False, on_epoch=True)
        self.log("newest_loss", loss)
        return loss

    def validation_step(self, batch: Any, _index: int) -> None:
        self.log("val_loss", nn.functional.cross_entropy(self(batch[0]), batch[1]))

    def configure_optimizers(self) -> Any:
        if self.hparams["optimizer"] == "adamw":
            optimizer: Any = torch.optim.AdamW(self.parameters(), lr=1e-3)
        else:
            optimizer = torch.optim.SGD(self.parameters(), lr=0.05, momentum=0.9, nesterov=True)
        steps = int(self.trainer.estimated_stepping_batches)
        falling = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda at: 1 - 0.9 * at / steps)
        return [optimizer], [{"scheduler": falling, "interval": "step"}]

    def train_dataloader(self) -> DataLoader[Any]:
        own = torch.Generator().manual_seed(11) if self.hparams["own_generator"] else None
        return DataLoader(examples(self.hparams["examples"], seed=1), 32, True, generator=own)

    def val_dataloader(self) -> DataLoader[Any]:
        return DataLoader(examples(100, seed=2), 50)


def examples(count: int, *, seed: int) -> TensorDataset:
    """Give inputs, and as their class the largest of some of them."""
    inputs = torch.randn(count, INPUTS, generator=torch.Generator().manual_seed(seed))
    return TensorDataset(inputs, inputs[:, :CLASSES].argmax(dim=1))


def count_step() -> None:
    """Take note of a training step, if that is asked for."""
    if STEPS in os.environ:
        with open(os.environ[STEPS], "ab", buffering=0) as file:
            file.write(b".")
