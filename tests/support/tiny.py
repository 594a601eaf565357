"""A tiny real LightningModule and the fit that most tests run."""

from __future__ import annotations

import warnings
from typing import Any

import lightning.pytorch as pl
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset


def batches(size: int = 16, count: int = 70) -> DataLoader[Any]:
    """Give fixed random images of 8 x 8 with labels of five classes, in a fixed order."""
    generator = torch.Generator().manual_seed(1)
    images = torch.randn(count, 1, 8, 8, generator=generator)
    labels = torch.randint(0, 5, (count,), generator=generator)
    return DataLoader(TensorDataset(images, labels), batch_size=size)


class Tiny(pl.LightningModule):
    """Convolution, batch norm and two linear layers: every kind of parameter that matters."""

    def __init__(self, optimizer: str = "sgd") -> None:
        super().__init__()
        self.save_hyperparameters()
        self.optimizer_name = optimizer
        self.conv = nn.Conv2d(1, 6, 3)
        self.norm = nn.BatchNorm2d(6)
        self.hidden = nn.Linear(216, 20)
        self.out = nn.Linear(20, 5)

    def forward(self, images: Tensor) -> Tensor:
        features = self.norm(torch.relu(self.conv(images))).flatten(1)
        return self.out(torch.relu(self.hidden(features)))

    def training_step(self, batch: Any, _index: int) -> Tensor:
        loss = nn.functional.cross_entropy(self(batch[0]), batch[1])
        self.log("train_loss", loss)
        return loss

    def validation_step(self, batch: Any, _index: int) -> None:
        self.log("val_loss", nn.functional.cross_entropy(self(batch[0]), batch[1]))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        if self.optimizer_name == "adamw":
            return torch.optim.AdamW(self.parameters(), lr=1e-2)
        return torch.optim.SGD(self.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-3)

    def weights(self) -> list[tuple[nn.Module, str]]:
        """The three matrices, as the callbacks take them."""
        return [(self.conv, "weight"), (self.hidden, "weight"), (self.out, "weight")]


def trainer(*callbacks: pl.Callback, epochs: int = 3, **arguments: Any) -> pl.Trainer:
    """Give a quiet trainer on the CPU."""
    settings: dict[str, Any] = {
        "accelerator": "cpu",
        "devices": 1,
        "max_epochs": epochs,
        "logger": False,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        **arguments,
    }
    return pl.Trainer(callbacks=list(callbacks), **settings)


def fit(
    model: pl.LightningModule,
    *callbacks: pl.Callback,
    ckpt_path: str | None = None,
    validate: bool = True,
    **arguments: Any,
) -> pl.Trainer:
    """Fit on the fixed batches; the plan's warning about compounding amounts is expected."""
    run = trainer(*callbacks, **arguments)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="ModelPruning:.*compounds")
        warnings.filterwarnings("ignore", message="ModelPruning:.*goes on rising")
        if not validate:
            warnings.filterwarnings("ignore", message="You defined a `validation_step` but")
        run.fit(model, batches(), batches() if validate else None, ckpt_path=ckpt_path)
    return run


def seeded(optimizer: str = "sgd") -> Tiny:
    """Give the same model, and the same global random state, at each call."""
    pl.seed_everything(3, verbose=False)
    return Tiny(optimizer)


def zeros(model: nn.Module, name: str) -> float:
    """Give the share of zeros in a parameter."""
    return float((model.get_parameter(name) == 0).float().mean())
