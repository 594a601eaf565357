"""A small model that shards itself, fitted in one process or in several; its masks are noted."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer, seed_everything
from lightning.pytorch.strategies import ModelParallelStrategy
from torch import Tensor, nn
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor, Shard
from torch.utils.data import DataLoader, TensorDataset

from prunetool import ModelPruning
from prunetool.pruning.bits import pack_bits

OPTIMIZERS = {
    "sgd": lambda parameters: torch.optim.SGD(parameters, lr=0.1, momentum=0.9, weight_decay=1e-3),
    "adamw": lambda parameters: torch.optim.AdamW(parameters, lr=1e-2),
}


class Model(LightningModule):
    """Odd sizes; one layer is cut along its inputs where the sizes allow."""

    def __init__(self, optimizer: str = "sgd", by_input: bool = False) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.block = nn.Sequential(nn.Linear(8, 13), nn.ReLU(), nn.Linear(13, 16), nn.ReLU())
        self.head = nn.Linear(16, 4)

    def configure_model(self) -> None:
        mesh = self.device_mesh
        if mesh is None or isinstance(self.head.weight, DTensor):
            return
        if self.hparams.by_input:
            fully_shard(self.head, mesh=mesh["data_parallel"], shard_placement_fn=by_input)
        fully_shard(self.block, mesh=mesh["data_parallel"])
        # What is left belongs to the root, which FSDP leaves gathered after a validation.
        fully_shard(self, mesh=mesh["data_parallel"])

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.block(x))

    def training_step(self, batch: list[Tensor], batch_idx: int) -> Tensor:
        loss = nn.functional.cross_entropy(self(batch[0]), batch[1])
        self.log("loss", loss, sync_dist=True)
        return loss

    def validation_step(self, batch: list[Tensor], batch_idx: int) -> None:
        self.log("val_loss", nn.functional.cross_entropy(self(batch[0]), batch[1]), sync_dist=True)

    def configure_optimizers(self) -> Any:
        return OPTIMIZERS[self.hparams.optimizer](self.parameters())


def by_input(parameter: nn.Parameter) -> Shard:
    return Shard(1) if parameter.dim() == 2 else Shard(0)


def loader(seed: int, size: int = 24) -> DataLoader:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(size, 8, generator=generator)
    return DataLoader(TensorDataset(x, x[:, :4].argmax(1)), batch_size=8)


class Log(Callback):
    """Notes masks and weights, whole, at the end of every epoch."""

    def __init__(self) -> None:
        self.epochs: list[dict[str, dict[str, Tensor]]] = []

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.note(trainer, pl_module)

    def note(self, trainer: Trainer, pl_module: LightningModule) -> None:
        pruning = next(c for c in trainer.callbacks if isinstance(c, ModelPruning))
        self.epochs.append(
            {
                "masks": {name: whole(mask) for name, mask in pruning.masks.items()},
                "weights": {n: whole(p.detach()) for n, p in pl_module.named_parameters()},
            }
        )


def whole(tensor: Tensor) -> Tensor:
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor.clone()


def fit(
    options: dict[str, Any],
    *,
    devices: int,
    sharded: bool,
    optimizer: str = "sgd",
    by_input: bool = False,
    epochs: int = 3,
    save: Path | None = None,
    resume: Path | None = None,
    stop_after: int | None = None,
) -> Log:
    """Fit; every process sees the same data, so that gradients are those of one process."""
    warnings.simplefilter("ignore")
    seed_everything(7, verbose=False)
    model, log = Model(optimizer, by_input), Log()
    strategy: Any = "auto"
    if sharded:
        strategy = ModelParallelStrategy(data_parallel_size=devices, tensor_parallel_size=1)
    pruning = ModelPruning(**{"apply_pruning": True, "use_lottery_ticket_hypothesis": False,
                              **options})  # fmt: skip
    stopper = [_Stop(stop_after, save)] if stop_after is not None else []
    trainer = Trainer(
        accelerator="cpu", devices=devices, strategy=strategy, max_epochs=epochs, logger=False,
        callbacks=[pruning, log, *stopper], use_distributed_sampler=False,
        enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
        num_sanity_val_steps=0,
    )  # fmt: skip
    trainer.fit(model, loader(1), loader(2), ckpt_path=resume)
    if save is not None and stop_after is None:
        trainer.save_checkpoint(save)
    return log


class _Stop(Callback):
    """Saves after an epoch and ends the fit there, its length unchanged."""

    def __init__(self, epoch: int, path: Path | None) -> None:
        self._epoch, self._path = epoch, path

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.current_epoch + 1 == self._epoch:
            trainer.save_checkpoint(self._path)
            trainer.should_stop = True


def run(devices: str, cases: str, folder: str) -> None:
    """Fit every case of a JSON file sharded, and leave the logs of rank 0 in ``folder``."""
    for name, case in json.loads(Path(cases).read_text()).items():
        paths = {k: Path(case.pop(k)) for k in ("save", "resume") if k in case}
        log = fit(**case, **paths, devices=int(devices), sharded=True)
        if torch.distributed.get_rank() == 0:
            torch.save(log.epochs, Path(folder) / f"{name}.pt")


def bits(log: list[dict[str, dict[str, Tensor]]]) -> list[dict[str, list[int]]]:
    return [{n: pack_bits(m).tolist() for n, m in epoch["masks"].items()} for epoch in log]
