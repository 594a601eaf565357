"""One of two processes under DDP: runs fits with a seed of its own, and notes every event.

:func:`main` is given two files and the cases as JSON; the file of this process gets
``{case: [event, ...]}`` with what its masks and weights were at each event, and which collectives
the event ran.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import warnings
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from prunetool import ModelPruning

RANK = int(os.environ["LOCAL_RANK"])


class Net(pl.LightningModule):
    """A branch that this process takes only at every other batch, and a layer nobody uses."""

    def __init__(self, optimizer: str) -> None:
        super().__init__()
        self.first = nn.Linear(8, 16)
        self.norm = nn.BatchNorm1d(16)
        self.branch = nn.Linear(16, 16)
        self.unused = nn.Linear(16, 16)
        self.last = nn.Linear(16, 4)
        self.optimizer = optimizer

    def training_step(self, batch: Any, index: int) -> Tensor:
        features = self.norm(self.first(batch[0])).relu()
        if (index + RANK) % 2:
            features = features + self.branch(features)
        return nn.functional.cross_entropy(self.last(features), batch[1])

    def configure_optimizers(self) -> torch.optim.Optimizer:
        if self.optimizer == "adamw":
            return torch.optim.AdamW(self.parameters(), lr=1e-2)
        return torch.optim.SGD(self.parameters(), lr=0.1, momentum=0.9)


class Noting(ModelPruning):
    """Notes what an event leaves behind, and the collectives in it."""

    notes: list[dict[str, Any]]

    def apply_pruning(self, amount: float) -> None:
        with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
            super().apply_pruning(amount)
        self.note(profile)

    def apply_lottery_ticket_hypothesis(self) -> None:
        with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
            super().apply_lottery_ticket_hypothesis()
        self.note(profile)

    def note(self, profile: Any) -> None:
        parameters = dict(self._session._model().named_parameters())  # type: ignore[union-attr]
        self.notes.append(
            {
                "masks": {name: digest(mask) for name, mask in self.masks.items()},
                "weights": {name: digest(value) for name, value in parameters.items()},
                "pruned": self.pruned_elements,
                "collectives": collectives(profile),
            }
        )


def digest(tensor: Tensor) -> str:
    return hashlib.sha256(tensor.detach().contiguous().numpy().tobytes()).hexdigest()[:16]


def collectives(profile: Any) -> list[str]:
    return sorted({event.key for event in profile.key_averages() if event.key.startswith("gloo:")})


def data(kind: str) -> DataLoader[Any]:
    """21 examples to share; or 12 in one process and 10 in the other: three batches each."""
    count = 21 if kind == "shared" else 12 - 2 * RANK
    generator = torch.Generator().manual_seed(7 if kind == "shared" else RANK)
    inputs = torch.randn(count, 8, generator=generator)
    return DataLoader(TensorDataset(inputs, inputs[:, :4].argmax(1)), batch_size=4)


def run(case: dict[str, Any]) -> list[dict[str, Any]]:
    pl.seed_everything(100 + RANK, verbose=False)
    model = Net(case.get("optimizer", "sgd"))
    pruning = Noting(parameter_names=["weight"], exclude=["norm.*"], **case["pruning"])
    pruning.notes = []
    trainer = pl.Trainer(
        accelerator="cpu", devices=2, max_epochs=4, strategy="ddp_find_unused_parameters_true",
        use_distributed_sampler=case["data"] == "shared", callbacks=[pruning], logger=False,
        enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
    )  # fmt: skip
    trainer.fit(model, data(case["data"]))
    return pruning.notes


def control() -> list[dict[str, Any]]:
    """What a broadcast in an event would look like."""
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        dist.broadcast(torch.ones(1), src=0)
    return [{"collectives": collectives(profile)}]


def main() -> None:
    file, cases = Path(sys.argv[1 + RANK]), json.loads(sys.argv[3])
    warnings.simplefilter("ignore")
    found = {name: run(case) for name, case in cases.items()}
    file.write_text(json.dumps({**found, "control": control()}))
