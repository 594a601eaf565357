"""Lightning's checkpoints: every kind of hyper-parameter, and what its callbacks leave behind."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path

import torch
from corpus_plain import images
from corpus_sample import Sample, sample_of
from corpus_values import VALUES
from torch.nn.utils import prune


def _hyper_parameter(kind: str, folder: Path) -> Sample:
    from corpus_net import Net, save_unfitted

    model = Net(VALUES[kind]())
    path = save_unfitted(model, folder / "model.ckpt")
    return sample_of(path, model, user="lightning", inputs=images())


def _command_line(folder: Path) -> Sample:
    from corpus_cli import save_with_cli

    model = save_with_cli(folder / "model.ckpt")
    return sample_of(folder / "model.ckpt", model, user="cli", inputs=images())


def _optimizer(folder: Path) -> Sample:
    from corpus_net import Net, fit

    model = Net()
    fit(model).save_checkpoint(folder / "model.ckpt")
    return sample_of(folder / "model.ckpt", model, user="lightning", inputs=images())


def _model_pruning(folder: Path, *, permanent: bool) -> Sample:
    """Saved during the fit: after it, a permanent one is plain in any case."""
    import lightning.pytorch as pl
    from corpus_net import Net, fit

    class Save(pl.Callback):
        def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
            trainer.save_checkpoint(folder / "model.ckpt")

    model = Net()
    targets = [(model.body.hidden, "weight"), (model.body.conv, "weight")]
    pruning = pl.callbacks.ModelPruning(
        "l1_unstructured", targets, amount=0.4, use_lottery_ticket_hypothesis=False,
        make_pruning_permanent=permanent,
    )  # fmt: skip
    fit(model, Save(), pruning)
    for module, name in targets:
        if prune.is_pruned(module):
            prune.remove(module, name)
    return sample_of(folder / "model.ckpt", model, user="lightning", inputs=images())


def _moving_average(folder: Path, kind: str) -> Sample:
    """The state_dict of the checkpoint is the average; the live weights lie beside it."""
    import lightning.pytorch as pl
    from corpus_net import Net, fit

    found: dict[str, torch.Tensor] = {}

    class Save(pl.Callback):
        def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
            trainer.save_checkpoint(folder / "model.ckpt")
            average = next(it for it in trainer.callbacks if hasattr(it, "_average_model"))
            found.update(average._average_model.module.state_dict())

    averages = {
        "ema": functools.partial(pl.callbacks.EMAWeightAveraging, decay=0.5),
        "average": pl.callbacks.WeightAveraging,
    }
    model = Net()
    fit(model, averages[kind](), Save())
    averaged = Net()
    averaged.load_state_dict(found)
    return sample_of(folder / "model.ckpt", averaged, user="lightning", inputs=images())


def _stochastic_average(folder: Path) -> Sample:
    """Saved when the callback keeps an average beside the live weights."""
    import lightning.pytorch as pl
    from corpus_net import Net, fit

    class Save(pl.Callback):
        def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
            trainer.save_checkpoint(folder / "model.ckpt")
            live.load_state_dict(pl_module.state_dict())

    live, model = Net(), Net()
    swa = pl.callbacks.StochasticWeightAveraging(swa_lrs=1e-2, swa_epoch_start=1)
    fit(model, swa, Save())
    return sample_of(folder / "model.ckpt", live, user="lightning", inputs=images())


LIGHTNING: dict[str, Callable[[Path], Sample]] = {
    **{f"lightning-{kind}": functools.partial(_hyper_parameter, kind) for kind in VALUES},
    "lightning-cli": _command_line,
    "lightning-optimizer": _optimizer,
    "lightning-pruning-permanent": functools.partial(_model_pruning, permanent=True),
    "lightning-pruning-kept": functools.partial(_model_pruning, permanent=False),
    "lightning-ema": functools.partial(_moving_average, kind="ema"),
    "lightning-average": functools.partial(_moving_average, kind="average"),
    "lightning-swa": _stochastic_average,
}
