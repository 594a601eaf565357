"""A training that is stopped and resumed: the model, and the processes that train it.

The model depends on everything that a resumed run must bring back: a shuffled order of batches,
dropout, the optimizer's state, a learning rate that falls along the whole training, and metrics
that are averaged over an epoch.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset
from torchmetrics import MeanMetric
from warm import server

TARGET = f"{Path(__file__).resolve()}:Resumed"
STEPS_AN_EPOCH = 4
# In the environment of a process that trains: the run folder, and where to copy it to before the
# first step of each further epoch, as if it had been killed there; the step in which it gets
# SIGTERM.
RUN, SNAPSHOTS, STOP_AT = "PRUNETOOL_RUN", "PRUNETOOL_SNAPSHOTS", "PRUNETOOL_STOP_AT"


class Resumed(pl.LightningModule):
    """12 x 8 + 4 x 12 weights in two matrices; 60 examples in batches of 16."""

    def __init__(self, optimizer: str = "sgd", own_generator: bool = False) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.first = nn.Linear(8, 12)
        self.last = nn.Linear(12, 4)
        self.dropout = nn.Dropout(0.25)
        self.mean_loss = MeanMetric()
        self.begins_epoch = False
        self.epochs = self.steps = 0

    def forward(self, inputs: Tensor) -> Tensor:
        out: Tensor = self.last(self.dropout(self.first(inputs).relu()))
        return out

    def on_train_start(self) -> None:
        self.begins_epoch = True

    def on_train_epoch_end(self) -> None:
        self.begins_epoch = True

    def training_step(self, batch: Any, _index: int) -> Tensor:
        if self.begins_epoch and self.epochs and SNAPSHOTS in os.environ:
            shutil.copytree(os.environ[RUN], f"{os.environ[SNAPSHOTS]}/{self.epochs}")
        self.epochs += self.begins_epoch
        self.begins_epoch = False
        self.steps += 1
        if str(self.steps) == os.environ.get(STOP_AT):
            os.kill(os.getpid(), signal.SIGTERM)
        loss = (self(batch[0]) - batch[1]).square().mean()
        self.mean_loss(loss)
        self.log("train_loss", loss, on_step=False, on_epoch=True)
        self.log("train_mean", self.mean_loss, on_step=False, on_epoch=True)
        self.log("newest_loss", loss)
        return loss

    def validation_step(self, batch: Any, _index: int) -> None:
        self.log("val_loss", (self(batch[0]) - batch[1]).square().mean())

    def configure_optimizers(self) -> Any:
        if self.hparams["optimizer"] == "adamw":
            optimizer: Any = torch.optim.AdamW(self.parameters(), lr=1e-2)
        else:
            optimizer = torch.optim.SGD(self.parameters(), lr=0.05, momentum=0.9)
        steps = int(self.trainer.estimated_stepping_batches)
        falling = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda at: 1 - 0.9 * at / steps)
        return [optimizer], [{"scheduler": falling, "interval": "step"}]

    def train_dataloader(self) -> DataLoader[Any]:
        own = torch.Generator().manual_seed(11) if self.hparams["own_generator"] else None
        return DataLoader(_examples(60), 16, shuffle=True, generator=own)

    def val_dataloader(self) -> DataLoader[Any]:
        return DataLoader(_examples(20), 10)


def _examples(count: int) -> TensorDataset:
    inputs = torch.randn(count, 8, generator=torch.Generator().manual_seed(count))
    return TensorDataset(inputs, inputs[:, :4] * inputs[:, 4:])


@dataclass(frozen=True)
class Call:
    """A call of ``prunetool train``, with further variables of the environment."""

    arguments: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)


def new_processes() -> ProcessPoolExecutor:
    """Give an executor whose every task runs in a process of its own, one after another.

    They are forked from one that has imported torch and Lightning, and done nothing else.
    """
    return ProcessPoolExecutor(max_workers=1, max_tasks_per_child=1, mp_context=server())


def call_all(folder: Path, calls: Sequence[Call]) -> list[int]:
    """Make the calls in this process; what they print goes to ``log.txt`` of the folder.

    Returns:
        Their exit codes.
    """
    log = os.open(folder / "log.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for stream in (1, 2):
        os.dup2(log, stream)
    os.chdir(folder)
    return [_call(it) for it in calls]


def _call(call: Call) -> int:
    from prunetool.cli.app import app
    from prunetool.cli.boundary import run

    sys.argv = ["prunetool", "train", *call.arguments]
    os.environ.update(call.environment)
    try:
        return run(app)
    finally:
        for name in call.environment:
            del os.environ[name]
