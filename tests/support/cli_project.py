"""A project with a LightningCLI of its own, as its user would write it."""

from __future__ import annotations

from pathlib import Path

MAIN = '''
import lightning.pytorch as pl
import torch
from lightning.pytorch.cli import LightningCLI
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class Backbone(nn.Module):
    def __init__(self, width: int = 8, depth: int = 1):
        super().__init__()
        self.layers = nn.Sequential(*[nn.Linear(width, width) for _ in range(depth)])

    def forward(self, inputs):
        return self.layers(inputs)


class Model(pl.LightningModule):
    """A model.

    Args:
        backbone: what comes first.
        hidden: units. There may be more.
        scale: of the outputs.
    """

    def __init__(self, backbone: nn.Module, hidden: int = 4, scale: float = 1.0):
        super().__init__()
        self.save_hyperparameters()
        self.backbone = backbone
        self.first = nn.Linear(8, hidden)
        self.last = nn.Linear(hidden, 1)
        self.scale = scale

    def training_step(self, batch, batch_idx):
        loss = self.loss(batch)
        self.log("train_loss", loss)
        return loss

    def validation_step(self, batch, batch_idx):
        self.log("val_loss", self.loss(batch))

    def loss(self, batch):
        outputs = self.scale * self.last(self.first(self.backbone(batch[0])).relu())
        return (outputs - batch[1]).square().mean()

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


class Data(pl.LightningDataModule):
    def __init__(self, batch_size: int = 8, rows: int = 32):
        super().__init__()
        self.save_hyperparameters()

    def setup(self, stage):
        inputs = torch.randn(self.hparams.rows, 8, generator=torch.Generator().manual_seed(0))
        self.rows = TensorDataset(inputs, inputs.sum(dim=1, keepdim=True))

    def train_dataloader(self):
        return DataLoader(self.rows, batch_size=self.hparams.batch_size, shuffle=True)

    def val_dataloader(self):
        return DataLoader(self.rows, batch_size=self.hparams.batch_size)


class Breaks(Backbone):
    def __init__(self):
        raise RuntimeError("a mistake in a backbone")


if __name__ == "__main__":
    LightningCLI(
        pl.LightningModule, pl.LightningDataModule, subclass_mode_model=True,
        subclass_mode_data=True,
    )
'''


def write_cli_project(folder: Path) -> Path:
    """Write ``cli_main.py`` and return the folder."""
    (folder / "cli_main.py").write_text(MAIN, encoding="utf-8")
    return folder
