"""What bench_tickets.py and bench_schedules.py share: the network, its data and its training.

LeNet-300-100 as in Frankle & Carbin 2019 (arXiv 1803.03635): Glorot normal weights, zero biases,
Adam at 1.2e-3, batches of 60. Everything random comes from the seed: the same seed trains the same
network on the same batches, so that runs differ in pruning alone.
"""

from __future__ import annotations

import itertools
import logging
import math
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor, nn
from torch.nn import functional as F

HIDDEN = (300, 100)
LEARNING_RATE = 1.2e-3
ARRAYS = ("x_train", "y_train", "x_test", "y_test")
EPOCHS = 10  # a training is cut into so many Lightning epochs, for callbacks that count them
_EVERY = 5  # of the digits, the fifth image of five is for the test


class Pixels(Enum):
    """How pixels are scaled: by figures of all training images together."""

    STANDARD = "standard"  # mean 0, standard deviation 1
    UNIT = "unit"  # from 0 to 1


@dataclass(frozen=True)
class Data:
    """Images (n, pixels), scaled, and their classes (n,)."""

    x_train: Tensor
    y_train: Tensor
    x_test: Tensor
    y_test: Tensor

    @property
    def sizes(self) -> tuple[int, ...]:
        """Units of each layer of the network for these data, pixels and classes included."""
        return (self.x_train.shape[1], *HIDDEN, int(self.y_train.max()) + 1)


def load(path: Path | None, pixels: Pixels) -> Data:
    """Read an npz file, or scikit-learn's digits where ``path`` is None.

    Raises:
        SystemExit: after saying why, if the file cannot be read or lacks an array.
    """
    arrays = _digits() if path is None else _npz(path)
    train, test = (torch.from_numpy(arrays[name]).float() for name in ("x_train", "x_test"))
    match pixels:
        case Pixels.STANDARD:
            shift, scale = float(train.mean()), float(train.std())
        case Pixels.UNIT:
            shift, scale = 0.0, float(train.max())
    x_train, x_test = (part.flatten(start_dim=1).sub_(shift).div_(scale) for part in (train, test))
    y_train, y_test = (torch.from_numpy(arrays[name]).long() for name in ("y_train", "y_test"))
    return Data(x_train, y_train, x_test, y_test)


def _npz(path: Path) -> dict[str, np.ndarray]:
    try:
        # A .npy file gives an array, which is no context manager.
        with np.load(path) as file:
            return {name: file[name] for name in ARRAYS}
    except (OSError, ValueError, KeyError, TypeError, EOFError, BadZipFile) as error:
        wanted = f"expected an npz file with {', '.join(ARRAYS)}"
        print(f"error: --data {path}: {wanted}: {error}", file=sys.stderr)
        raise SystemExit(2) from error


def _digits() -> dict[str, np.ndarray]:
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    test = np.arange(len(x)) % _EVERY == _EVERY - 1
    return dict(zip(ARRAYS, (x[~test], y[~test], x[test], y[test]), strict=True))


class Batches:
    """An epoch of shuffled batches; the next iteration goes on where this one ended.

    A DataLoader collates images one by one, which takes longer than the step they are for.

    Args:
        data: its training part is used.
        size: images in a batch; all of them, where there are fewer.
        count: batches in an epoch of Lightning's, whatever the number of images.
        seed: of the order.
    """

    def __init__(self, data: Data, *, size: int, count: int, seed: int) -> None:
        self._data = data
        self._size = min(size, len(data.x_train))
        self._count = count
        self._order = self._shuffled(torch.Generator().manual_seed(seed))

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        for _ in range(self._count):
            chosen = next(self._order)
            yield self._data.x_train[chosen], self._data.y_train[chosen]

    def _shuffled(self, generator: torch.Generator) -> Iterator[Tensor]:
        while True:
            order = torch.randperm(len(self._data.x_train), generator=generator)
            whole = len(order) // self._size * self._size
            yield from order[:whole].split(self._size)


class LeNet(LightningModule):
    """A multilayer perceptron with ReLU between its layers.

    Args:
        sizes: units of each layer, from pixels to classes.
        seed: of the weights.
    """

    def __init__(self, sizes: Sequence[int], *, seed: int) -> None:
        super().__init__()
        self.hidden = nn.ModuleList(
            nn.Linear(fan_in, fan_out) for fan_in, fan_out in itertools.pairwise(sizes[:-1])
        )
        self.output = nn.Linear(sizes[-2], sizes[-1])
        generator = torch.Generator().manual_seed(seed)
        for layer in self.layers:
            nn.init.xavier_normal_(layer.weight, generator=generator)
            nn.init.zeros_(layer.bias)

    @property
    def layers(self) -> list[nn.Linear]:
        """Every layer, the output last."""
        return [*self.hidden, self.output]  # type: ignore[list-item]

    def forward(self, images: Tensor) -> Tensor:
        for layer in self.hidden:
            images = layer(images).relu()
        return self.output(images)

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        images, classes = batch
        return F.cross_entropy(self(images), classes)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.parameters(), lr=LEARNING_RATE, fused=True)


def train(
    model: LeNet,
    data: Data,
    callbacks: Sequence[Callback],
    *,
    iterations: int,
    batch_size: int,
    seed: int,
) -> float:
    """Train for ``iterations`` steps in ``EPOCHS`` epochs; give the accuracy on the test, in %."""
    batches = Batches(data, size=batch_size, count=max(1, iterations // EPOCHS), seed=seed)
    trainer = Trainer(
        accelerator="cpu",
        max_epochs=math.ceil(iterations / len(batches)),
        max_steps=iterations,
        callbacks=list(callbacks),
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        limit_val_batches=0,
    )
    trainer.fit(model, batches)
    with torch.inference_mode():
        right = model(data.x_test).argmax(dim=1) == data.y_test
    return 100 * int(right.count_nonzero()) / len(right)


def prepare(threads: int) -> None:
    """Set this process up: threads, denormals, and Lightning's announcements.

    Adam's moments of weights behind pixels that are hardly ever lit decay into denormal numbers,
    on which a step is a quarter slower; they are flushed to zero.
    """
    torch.set_num_threads(threads)
    torch.set_flush_denormal(True)
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
