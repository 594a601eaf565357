"""The LightningModules of the corpus, and the Trainer that saves them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from corpus_plain import Plain, images
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset


class Net(pl.LightningModule):
    """Args: value: any hyper-parameter; it is saved, and not used."""

    def __init__(self, value: Any = None) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.body = Plain()
        self.head = nn.Linear(3, 2)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.head(self.body(inputs))

    def training_step(self, batch: Any, _index: int) -> Tensor:
        return self(batch[0]).square().mean()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.AdamW(self.parameters(), lr=1e-2)


def trainer(*callbacks: pl.Callback, **arguments: Any) -> pl.Trainer:
    """Give a Trainer that prints and writes nothing by itself."""
    return pl.Trainer(
        accelerator="cpu", devices=1, max_epochs=2, logger=False, callbacks=list(callbacks),
        enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
        **arguments,
    )  # fmt: skip


def save_unfitted(model: pl.LightningModule, path: Path) -> Path:
    """Save with a Trainer that has not trained."""
    run = trainer()
    run.strategy.connect(model)
    run.save_checkpoint(path)
    return path


def fit(model: pl.LightningModule, *callbacks: pl.Callback) -> pl.Trainer:
    """Train for two epochs of two batches."""
    run = trainer(*callbacks)
    run.fit(model, DataLoader(TensorDataset(images().repeat(4, 1, 1, 1)), batch_size=6))
    return run
