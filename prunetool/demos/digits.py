"""The digits: a classifier that trains in seconds, and its data."""

from __future__ import annotations

import warnings
from typing import Any

import torch
from lightning.pytorch import LightningDataModule, LightningModule
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from prunetool.errors import OptionError

_CLASSES = 10
_PIXELS = 8  # a side
_BRIGHTEST = 16.0
_EVERY = 5  # the fifth image of five is for validation: writers alternate along the data set


class DigitsClassifier(LightningModule):
    """Two convolutions and two linear layers, 62,160 weights.

    Args:
        channels: of the first convolution; the second has twice as many.
        hidden: units of the hidden linear layer.
        learning_rate: the highest of Adam's; it falls to zero along a cosine over the training.
        batch_size: images, for the model's own dataloaders.
    """

    def __init__(
        self,
        channels: int = 40,
        hidden: int = 100,
        learning_rate: float = 3e-3,
        batch_size: int = 64,
    ) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.features = nn.Sequential(
            nn.Conv2d(1, channels, kernel_size=3, padding=1),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(channels, 2 * channels, kernel_size=3, padding=1),
            nn.BatchNorm2d(2 * channels),
            nn.ReLU(),
            nn.MaxPool2d(2),
        )
        self.classifier = nn.Sequential(
            nn.Flatten(),
            nn.Linear(2 * channels * (_PIXELS // 4) ** 2, hidden),
            nn.ReLU(),
            nn.Linear(hidden, _CLASSES),
        )
        self._digits = DigitsDataModule(batch_size=batch_size)

    def forward(self, images: Tensor) -> Tensor:
        """Map images (batch, 1, 8, 8) in [0, 1] to logits (batch, 10)."""
        logits: Tensor = self.classifier(self.features(images))
        return logits

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        """Give the cross-entropy of a batch."""
        images, digits = batch
        loss = F.cross_entropy(self(images), digits)
        self.log("train_loss", loss, on_step=False, on_epoch=True)
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        """Log loss and accuracy."""
        images, digits = batch
        logits = self(images)
        self.log("val_loss", F.cross_entropy(logits, digits))
        self.log("val_acc", (logits.argmax(dim=1) == digits).float().mean())

    def configure_optimizers(self) -> Any:
        """Adam, its learning rate falling along a cosine at every step."""
        optimizer = torch.optim.Adam(self.parameters(), lr=self.hparams["learning_rate"])
        steps = max(1, int(self.trainer.estimated_stepping_batches))
        scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=steps)
        return [optimizer], [{"scheduler": scheduler, "interval": "step"}]

    def train_dataloader(self) -> DataLoader[Any]:
        """The datamodule's, so that the model trains without one."""
        return self._digits.train_dataloader()

    def val_dataloader(self) -> DataLoader[Any]:
        """Likewise."""
        return self._digits.val_dataloader()


class DigitsDataModule(LightningDataModule):
    """1438 images to train on, 359 to validate on.

    Args:
        batch_size: images in a batch.
    """

    def __init__(self, batch_size: int = 64) -> None:
        super().__init__()
        self.batch_size = batch_size

    def train_dataloader(self) -> DataLoader[Any]:
        """Shuffled."""
        return DataLoader(_digits(validation=False), batch_size=self.batch_size, shuffle=True)

    def val_dataloader(self) -> DataLoader[Any]:
        """In order."""
        return DataLoader(_digits(validation=True), batch_size=512)


def _digits(*, validation: bool) -> TensorDataset:
    """Give one part of the images (n, 1, 8, 8), in [0, 1], with their digits (n,)."""
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise OptionError(
            "the demo's data come with scikit-learn, which is not installed: "
            "pip install 'prunetool[demo]'"
        ) from error
    # Lightning advises worker processes; for a tensor in memory they only cost time.
    warnings.filterwarnings("ignore", ".*does not have many workers.*")
    pixels, digits = load_digits(return_X_y=True)
    images = torch.tensor(pixels, dtype=torch.float32).view(-1, 1, _PIXELS, _PIXELS)
    chosen = (torch.arange(len(images)) % _EVERY == _EVERY - 1) == validation
    return TensorDataset(images[chosen] / _BRIGHTEST, torch.tensor(digits)[chosen])
