"""Parameters of complex numbers and of integers: refused by name, or left out by name."""

from __future__ import annotations

import lightning as L
import pytest
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from tiny import trainer
from torch import nn
from torch.utils.data import DataLoader

from prunetool import ModelPruning


class Mixed(L.LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.real = nn.Linear(8, 4)
        self.waves = nn.Linear(4, 4, dtype=torch.complex64)
        self.table = nn.Module()
        self.table.weight = nn.Parameter(torch.arange(16).view(4, 4), requires_grad=False)

    def training_step(self, batch, batch_idx):
        hidden = self.real(batch)
        return (self.waves(hidden.to(torch.complex64)).abs() + self.table.weight[0]).mean()

    def configure_optimizers(self):
        return torch.optim.SGD((p for p in self.parameters() if p.requires_grad), lr=0.1)


def fit(model: Mixed, pruning: ModelPruning) -> None:
    trainer(pruning, epochs=1).fit(model, DataLoader(torch.ones(16, 8), batch_size=8))


@pytest.mark.parametrize(
    ("site", "message"),
    [
        ("waves", r"waves\.weight: expected a floating-point parameter, got torch\.complex64"),
        ("table", r"table\.weight: expected a floating-point parameter, got torch\.int64"),
    ],
)
def test_asked_for_they_are_refused_by_name(site: str, message: str) -> None:
    model = Mixed()
    pruning = ModelPruning(parameters_to_prune=[(getattr(model, site), "weight")])
    with pytest.raises(MisconfigurationException, match=message):
        fit(model, pruning)


@pytest.mark.parametrize(
    ("glob", "message"),
    [
        ("waves.*", r"include 'waves\.\*': waves\.weight is of torch\.complex64; only floating"),
        (
            "table.weight",
            r"include 'table\.weight': table\.weight is of torch\.int64; only floating",
        ),
    ],
)
def test_included_by_a_glob_they_are_refused_by_name(glob: str, message: str) -> None:
    with pytest.raises(MisconfigurationException, match=message):
        fit(Mixed(), ModelPruning(include=[glob], default_targets="matrices"))


@pytest.mark.parametrize("targets", ["documented", "matrices"])
def test_by_default_they_are_left_out_by_name(targets: str, caplog) -> None:
    pruning = ModelPruning(
        sparsity=0.5, end=1, default_targets=targets, use_lottery_ticket_hypothesis=False
    )
    model = Mixed()
    with caplog.at_level("INFO"):
        fit(model, pruning)
    assert (
        "ModelPruning: left out 3 parameters that are not floating-point: waves.weight "
        "(torch.complex64), waves.bias (torch.complex64), table.weight (torch.int64)"
    ) in caplog.messages
    assert pruning.target_elements == (36 if targets == "documented" else 32)
    assert int((model.waves.weight == 0).sum()) == 0
    assert model.table.weight.flatten().tolist() == list(range(16))
