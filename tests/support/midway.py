"""A training that draws random numbers wherever it can and keeps state wherever Lightning lets it,
and that sends itself signals.
"""

from __future__ import annotations

import os
import signal
from typing import Any, ClassVar

import lightning.pytorch as pl
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, IterableDataset
from torchmetrics import MaxMetric, MeanMetric, MetricCollection, SumMetric

STEPS_AN_EPOCH = 5


class Noisy(Dataset[Any]):
    """76 examples with new noise each time: in batches of 16 the last of five is smaller."""

    def __init__(self, size: int = 76) -> None:
        self.inputs = torch.randn(size, 8, generator=torch.Generator().manual_seed(5))

    def __len__(self) -> int:
        return len(self.inputs)

    def __getitem__(self, index: int) -> Any:
        noisy = self.inputs[index] + 0.1 * torch.randn(8)
        return noisy, noisy.sum(0, keepdim=True)


class Stream(IterableDataset[Any]):
    """The same examples without noise, in their order, and without a length."""

    def __iter__(self) -> Any:
        info = torch.utils.data.get_worker_info()
        one, of = (info.id, info.num_workers) if info is not None else (0, 1)
        for inputs in Noisy().inputs[one::of]:
            yield inputs, inputs.sum(0, keepdim=True)


class Midway(pl.LightningModule):
    """8 x 6 + 6 weights in two matrices.

    Args:
        generator: whether loaders have generators of their own.
        workers: of the training's loader.
        stream: whether the dataset has no length.
        scheduler: ``step``, ``epoch``, ``plateau`` (by epochs) or ``plateau-step``.
    """

    # Signals by the training step of the process in which it sends them to itself, from 1.
    signals: ClassVar[dict[int, list[int]]] = {}
    steps: ClassVar[int] = 0
    # The same in a validation step.
    in_validation: ClassVar[dict[int, list[int]]] = {}
    validations: ClassVar[int] = 0

    def __init__(
        self,
        generator: bool = False,
        workers: int = 0,
        stream: bool = False,
        scheduler: str = "step",
    ) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.first, self.last = nn.Linear(8, 6), nn.Linear(6, 1)
        self.dropout = nn.Dropout(0.25)
        self.register_buffer("drawn", torch.zeros(3))
        self.mean, self.total = MeanMetric(), SumMetric()
        self.never_reset = SumMetric()
        self.several = MetricCollection({"peak": MaxMetric(), "middle": MeanMetric()})

    @classmethod
    def forget(cls) -> None:
        """Begin to count anew, and send nothing."""
        cls.signals, cls.steps, cls.in_validation, cls.validations = {}, 0, {}, 0

    def forward(self, inputs: Tensor) -> Tensor:
        out: Tensor = self.last(self.dropout(self.first(inputs).relu()))
        return out

    def on_train_start(self) -> None:
        torch.rand(3)

    def on_train_epoch_start(self) -> None:
        self.drawn += torch.rand(3)

    def training_step(self, batch: Any, index: int) -> Tensor:
        Midway.steps += 1
        for number in Midway.signals.get(Midway.steps, ()):
            os.kill(os.getpid(), number)
        loss = (self(batch[0]) - batch[1]).square().mean()
        self.log("loss", loss, on_step=True, on_epoch=True)
        self.log("peak_loss", loss, on_step=False, on_epoch=True, reduce_fx="max")
        self.log("sum_loss", loss, on_step=False, on_epoch=True, reduce_fx=sum)
        self.mean.update(loss.detach())
        self.log("mean", self.mean, on_step=False, on_epoch=True)
        self.total(loss.detach())
        self.never_reset.update(1)
        self.several.update(loss.detach())
        self.log_dict(self.several, on_step=False, on_epoch=True)
        if index == 0:
            self.log("first_batch", loss, on_step=False, on_epoch=True)
        return loss

    def on_train_batch_end(self, *_ignored: Any) -> None:
        self.drawn += torch.rand(3)

    def on_train_epoch_end(self) -> None:
        self.log("total", self.total.compute())
        self.log("ever", self.never_reset.compute())
        self.total.reset()

    def validation_step(self, batch: Any, _index: int) -> None:
        Midway.validations += 1
        for number in Midway.in_validation.get(Midway.validations, ()):
            os.kill(os.getpid(), number)
        self.log("val_loss", (self(batch[0]) - batch[1]).square().mean())

    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.SGD(self.parameters(), lr=0.02, momentum=0.9)
        match self.hparams["scheduler"]:
            case "step":
                steps = int(self.trainer.estimated_stepping_batches)
                lower = torch.optim.lr_scheduler.LambdaLR(
                    optimizer, lambda at: 1 - 0.9 * at / steps
                )
                return [optimizer], [{"scheduler": lower, "interval": "step"}]
            case "epoch":
                return [optimizer], [torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.5)]
        plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=0, threshold=0.5)
        by_step = self.hparams["scheduler"] == "plateau-step"
        config = {
            "scheduler": plateau,
            "monitor": "loss" if by_step else "val_loss",
            "interval": "step" if by_step else "epoch",
        }
        return {"optimizer": optimizer, "lr_scheduler": config}

    def train_dataloader(self) -> DataLoader[Any]:
        own = torch.Generator().manual_seed(7) if self.hparams["generator"] else None
        workers = self.hparams["workers"]
        if self.hparams["stream"]:
            return DataLoader(Stream(), 16, num_workers=workers, generator=own)
        return DataLoader(Noisy(), 16, shuffle=True, num_workers=workers, generator=own)

    def val_dataloader(self) -> DataLoader[Any]:
        own = torch.Generator().manual_seed(8) if self.hparams["generator"] else None
        return DataLoader(Noisy(24), 16, generator=own)


class Manual(Midway):
    """Steps its optimizer itself."""

    def __init__(self) -> None:
        super().__init__(scheduler="epoch")
        self.automatic_optimization = False

    def training_step(self, batch: Any, index: int) -> None:  # type: ignore[override]
        optimizer: Any = self.optimizers()
        optimizer.zero_grad()
        self.manual_backward(super().training_step(batch, index))
        optimizer.step()


class Averaged(Midway):
    """Averages its weights, stops early, and saves checkpoints of its own within epochs."""

    def configure_callbacks(self) -> list[Any]:
        from lightning.pytorch.callbacks import EarlyStopping, EMAWeightAveraging, ModelCheckpoint

        return [
            EMAWeightAveraging(decay=0.9),
            EarlyStopping("val_loss", patience=1),
            ModelCheckpoint("mine", "mine", every_n_train_steps=2, enable_version_counter=False),
        ]


class Phased(Midway):
    """Accumulates more batches from the second epoch on."""

    def configure_callbacks(self) -> list[Any]:
        from lightning.pytorch.callbacks import GradientAccumulationScheduler

        return [GradientAccumulationScheduler({1: 2})]


class Alone(Midway):
    """Validates nothing."""

    validation_step = None  # type: ignore[assignment]
    val_dataloader = None  # type: ignore[assignment]


SIGINT, SIGTERM = signal.SIGINT, signal.SIGTERM
