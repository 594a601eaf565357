"""What LightningCLI is pointed at in subclass mode."""

from __future__ import annotations

from pathlib import Path

import lightning.pytorch as pl
from corpus_net import Net
from lightning.pytorch.cli import LightningCLI
from torch import nn


class Encoder(nn.Module):
    def __init__(self, width: int = 4) -> None:
        super().__init__()
        self.layer = nn.Linear(width, width)


class Chosen(Net):
    """Takes its parts from the configuration, as projects do; they are hyper-parameters then."""

    def __init__(self, encoder: Encoder, folder: Path = Path("data"), rate: float = 0.1) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.encoder = encoder


def save_with_cli(path: Path) -> Chosen:
    """Let LightningCLI build the model, and save it."""
    arguments = [
        "--model=corpus_cli.Chosen",
        "--model.encoder=corpus_cli.Encoder",
        "--model.encoder.width=6",
        "--model.folder=some/where",
    ]
    cli = LightningCLI(
        pl.LightningModule, subclass_mode_model=True, run=False, args=arguments,
        save_config_callback=None, seed_everything_default=False,
        trainer_defaults={
            "accelerator": "cpu", "logger": False, "enable_checkpointing": False,
            "enable_progress_bar": False, "enable_model_summary": False,
        },
    )  # fmt: skip
    cli.trainer.strategy.connect(cli.model)
    cli.trainer.save_checkpoint(path)
    return cli.model
