"""prunetool's own files; what is in them is told by the model after torch removed its masks."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from corpus_plain import images
from corpus_sample import Sample, sample_of
from torch.nn.utils import prune


def _fitted(folder: Path, **arguments: Any) -> Sample:
    import lightning.pytorch as pl
    from tiny import fit, seeded

    from prunetool import ModelPruning

    class Save(pl.Callback):
        def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
            trainer.save_checkpoint(folder / "model.ckpt")

    model = seeded("adamw")
    settings = {"sparsity": 0.8, "use_lottery_ticket_hypothesis": False, **arguments}
    pruning = ModelPruning("l1_unstructured", model.weights(), **settings)
    fit(model, pruning, Save(), validate=False, epochs=2)
    for module, name in model.weights():
        if prune.is_pruned(module):
            prune.remove(module, name)
    return sample_of(folder / "model.ckpt", model, user="tiny", inputs=images())


OWN: dict[str, Callable[[Path], Sample]] = {
    "own-permanent": _fitted,
    "own-masks-kept": partial(_fitted, make_pruning_permanent=False),
    "own-tickets": partial(_fitted, use_lottery_ticket_hypothesis=True),
    "own-patterns": partial(_fitted, schedule="one-shot", start=0),
}
