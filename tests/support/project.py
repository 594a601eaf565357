"""A user's project on the disk: models, factories, data, and code that does not work."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# A model whose training can be interrupted.
SLOW = """
import time
from net import Net

class Slow(Net):
    def training_step(self, batch, batch_idx):
        time.sleep(0.05)
        return super().training_step(batch, batch_idx)
"""

NET = '''
import {package} as pl
import torch
from torch.utils.data import DataLoader, TensorDataset

import sibling


class Plain(pl.LightningModule):
    """No dataloaders. 8 * hidden + hidden weights in two matrices."""

    def __init__(self, hidden: int = sibling.WIDTH):
        super().__init__()
        self.save_hyperparameters()
        self.first = torch.nn.Linear(8, hidden)
        self.last = torch.nn.Linear(hidden, 1)

    def forward(self, inputs):
        return self.last(self.first(inputs).relu())

    def training_step(self, batch, batch_idx):
        loss = (self(batch[0]) - batch[1]).square().mean()
        self.log("train_loss", loss, on_step=False, on_epoch=True)
        return loss

    def validation_step(self, batch, batch_idx):
        self.log("val_loss", (self(batch[0]) - batch[1]).square().mean())

    def configure_optimizers(self):
        optimizer = torch.optim.Adam(self.parameters(), lr=1e-2)
        plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=0)
        return {{
            "optimizer": optimizer,
            "lr_scheduler": {{"scheduler": plateau, "monitor": "val_loss"}},
        }}


def loader(seed=0, shuffle=True):
    inputs = torch.randn(64, 8, generator=torch.Generator().manual_seed(seed))
    dataset = TensorDataset(inputs, inputs.sum(dim=1, keepdim=True))
    return DataLoader(dataset, batch_size=16, shuffle=shuffle)


class Net(Plain):
    def train_dataloader(self):
        return loader()

    def val_dataloader(self):
        return loader(seed=1, shuffle=False)


class Data(pl.LightningDataModule):
    def __init__(self, seed=0):
        super().__init__()
        self.seed = seed

    def train_dataloader(self):
        return loader(self.seed)

    def val_dataloader(self):
        return loader(self.seed + 1, shuffle=False)


def make_data(seed=0):
    return Data(seed)


def make(hidden: int = 4):
    return Net(hidden)


def make_nothing():
    return None


def half(epoch):
    return 0.5


def at_once(progress):
    return 1.0


class Needy(Net):
    def __init__(self, width):
        super().__init__(width)


class BreaksInInit(Net):
    def __init__(self):
        raise ValueError("a mistake in __init__")


class BreaksInTraining(Net):
    def training_step(self, batch, batch_idx):
        raise RuntimeError("a mistake in training_step")


class NotAModel:
    pass


number = 3
'''

FILES = {
    "sibling.py": "WIDTH = 8\n",
    "net.py": NET.format(package="lightning.pytorch"),
    "older.py": NET.format(package="pytorch_lightning"),
    "package/__init__.py": "",
    "package/models.py": "from net import Net\n",
    "package/relative.py": "from .models import Net\n",
    "broken.py": "import there_is_no_such_module\n",
    "syntax.py": "class Net(:\n",
}


def write_project(folder: Path) -> Path:
    """Write the files and return the folder."""
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder


@contextmanager
def fresh_imports() -> Iterator[None]:
    """Forget afterwards what was imported from a project: the next has the same names."""
    path, modules = list(sys.path), set(sys.modules)
    try:
        yield
    finally:
        sys.path[:] = path
        ours = {name.removesuffix(".py").partition("/")[0] for name in FILES}
        for name in set(sys.modules) - modules:
            if name.partition(".")[0] in ours or name.startswith("prunetool_target_"):
                del sys.modules[name]
