"""Averages of the weights obey too: in the callback, in checkpoints, and when they take over."""

from __future__ import annotations

from typing import Any

import lightning.pytorch as pl
import pytest
import torch
from hygiene import (
    NO_TICKET,
    ByHand,
    Watching,
    assert_same,
    masked_from_the_start,
    random_masks,
    weights_of,
)
from lightning.pytorch.callbacks import (
    EMAWeightAveraging,
    ModelCheckpoint,
    StochasticWeightAveraging,
    WeightAveraging,
)
from tiny import fit, seeded

from prunetool import ModelPruning

NAMES = ["conv.weight", "hidden.weight", "out.weight"]
AVERAGING: dict[str, Any] = {
    "ema": lambda: EMAWeightAveraging(decay=0.8),
    "average": lambda: WeightAveraging(),
    "swa": lambda: StochasticWeightAveraging(swa_lrs=0.05, swa_epoch_start=1),
}


class Averages(pl.Callback):
    """Looks at the averaged copy after every epoch."""

    def __init__(self, averaging: pl.Callback, kept: dict[str, torch.Tensor]) -> None:
        self.averaging, self.kept, self.looks = averaging, kept, 0

    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
        for name, kept in self.kept.items():
            assert not pl_module.get_parameter(name).detach()[~kept].any()

    def on_save_checkpoint(self, trainer: Any, pl_module: Any, checkpoint: dict) -> None:
        states = [checkpoint["state_dict"], checkpoint.get("current_model_state", {})]
        states += [s.get("average_model_state") or {} for s in checkpoint["callbacks"].values()]
        for state in states:
            for name, kept in self.kept.items():
                if name in state:
                    assert not state[name][~kept].any(), name
                    self.looks += 1


@pytest.mark.parametrize("first", ["pruning", "averaging"])
@pytest.mark.parametrize("which", AVERAGING)
def test_averages_obey_and_are_those_of_the_reference(which, first, tmp_path):
    model = seeded()
    kept = random_masks(model, NAMES)
    averaging = AVERAGING[which]()
    pair = [masked_from_the_start(kept, model), averaging]
    watching, averages = Watching(kept), Averages(averaging, kept)
    keeper = ModelCheckpoint(dirpath=tmp_path, save_top_k=-1)
    order = pair if first == "pruning" else pair[::-1]
    fit(model, *order, watching, averages, keeper, epochs=4, enable_checkpointing=True)
    # A checkpoint an epoch of the model and of its average; SWA adds an epoch.
    assert averages.looks == (10 if which == "swa" else 8) * len(NAMES)
    reference = seeded()
    fit(reference, ByHand(kept), AVERAGING[which](), epochs=4)
    assert_same(weights_of(model), weights_of(reference))


@pytest.mark.parametrize("which", AVERAGING)
def test_an_average_of_dense_weights_obeys_from_the_event_on(which, tmp_path):
    """An event while averaging is under way: the average remembers what was there before."""
    model = seeded()
    pruning = ModelPruning(
        "l1_unstructured", model.weights(), apply_pruning=lambda epoch: epoch == 2, **NO_TICKET
    )
    keeper = ModelCheckpoint(dirpath=tmp_path, filename="{epoch}", save_top_k=-1)
    averaging = AVERAGING[which]()
    fit(model, averaging, pruning, keeper, epochs=4, enable_checkpointing=True)
    kept = {name: model.get_parameter(name) != 0 for name in NAMES}
    assert pruning.pruned_elements == sum(int((~mask).sum()) for mask in kept.values()) == 2237
    averages = Averages(averaging, kept)
    averages.on_save_checkpoint(
        None, None, torch.load(tmp_path / "epoch=3.ckpt", weights_only=False)
    )
    assert averages.looks == 2 * len(NAMES)
