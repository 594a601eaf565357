"""The ways to train and prune that torture_resume.py takes in turn."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

TARGET = f"{Path(__file__).resolve().with_name('torture_model.py')}:Victim"


@dataclass(frozen=True)
class Configuration:
    """A way to train and prune.

    Attributes:
        name: for the reports.
        options: of ``prunetool train``.
    """

    name: str
    options: tuple[str, ...]


def _configuration(name: str, optimizer: str, options: str) -> Configuration:
    return Configuration(name, ("--model-arg", f"optimizer={optimizer}", *options.split()))


CONFIGURATIONS = (
    _configuration("cubic, SGD", "sgd", "--sparsity 0.9 --max-epochs 4"),
    _configuration(
        "every 7 steps, kept, AdamW, best",
        "adamw",
        "--sparsity 0.8 --schedule linear --every 7s --start 5s --keep-masks --max-epochs 4 "
        "--monitor val_loss:min",
    ),
    _configuration(
        "ticket in 3 rounds, SGD",
        "sgd",
        "--lottery-ticket --rounds 3 --rewind-step 5 --sparsity 0.8 --max-epochs 2 "
        "--monitor val_loss:min",
    ),
    _configuration(
        "channels, exponential, SGD, kept",
        "sgd",
        "--pattern channels --dim 0 --exclude last.* --schedule exponential --keep-masks "
        "--max-epochs 4",
    ),
    _configuration(
        "2:4, movement, AdamW", "adamw", "--pattern 2:4 --criterion movement --max-epochs 4"
    ),
    _configuration(
        "ticket in one training, AdamW, kept",
        "adamw",
        "--lottery-epochs 1-3 --rewind-step 9 --sparsity 0.7 --keep-masks --max-epochs 4",
    ),
    _configuration(
        "random, the loader's own generator, SGD",
        "sgd",
        "--criterion random --schedule linear --end 3 --model-arg own_generator=true "
        "--max-epochs 4",
    ),
    _configuration(
        "rounds fine-tuned, saliency, AdamW",
        "adamw",
        "--lottery-ticket --rounds 2 --retrain lr --rewind-step 3 --criterion saliency "
        "--max-epochs 2",
    ),
)
