"""A tiny model that shards itself when there is a device mesh."""

from __future__ import annotations

from typing import Any

import lightning.pytorch as pl
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset


def loader() -> DataLoader[Any]:
    """Give the same batches to every rank, and to a run without ranks."""
    inputs = torch.randn(24, 5, generator=torch.Generator().manual_seed(2))
    return DataLoader(TensorDataset(inputs), batch_size=4)


class Net(pl.LightningModule):
    """Shapes that two ranks cannot share evenly, a frozen layer, buffers and a scalar.

    Args:
        optimizer: ``"sgd"`` of all parameters, the frozen ones too, or ``"adamw"`` in two groups
            whose order is not that of the model, without the frozen ones.
    """

    def __init__(self, optimizer: str = "adamw") -> None:
        super().__init__()
        self.save_hyperparameters()
        self.first = nn.Linear(5, 7)
        self.norm = nn.BatchNorm1d(7)
        self.frozen = nn.Linear(7, 7).requires_grad_(False)
        self.last = nn.Linear(7, 3)
        self.register_buffer("scale", torch.tensor(2.0))

    def configure_model(self) -> None:
        if self.device_mesh is not None:
            from torch.distributed.fsdp import fully_shard

            for layer in (self.first, self.norm, self.frozen, self.last):
                fully_shard(layer, mesh=self.device_mesh["data_parallel"])

    def forward(self, inputs: Tensor) -> Tensor:
        return self.last(self.frozen(self.norm(self.first(inputs)).relu())) * self.scale

    def training_step(self, batch: Any, _index: int) -> Tensor:
        return self(batch[0]).square().mean()

    def configure_optimizers(self) -> Any:
        if self.hparams["optimizer"] == "sgd":
            chosen: Any = torch.optim.SGD(self.parameters(), lr=0.1, momentum=0.9)
        else:
            early = [*self.first.parameters(), *self.norm.parameters()]
            groups = [{"params": list(self.last.parameters()), "lr": 1e-2}, {"params": early}]
            chosen = torch.optim.AdamW(groups, lr=1e-3)
        return {"optimizer": chosen, "lr_scheduler": torch.optim.lr_scheduler.StepLR(chosen, 1)}
