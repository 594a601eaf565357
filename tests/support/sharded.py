"""Sharded checkpoint folders, made by several processes with Lightning or by hand in one."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import torch.distributed.checkpoint as dcp
from ranks import run_ranks
from torch import Tensor
from torch.distributed.checkpoint.filesystem import _StorageInfo
from torch.distributed.checkpoint.metadata import (
    ChunkStorageMetadata,
    Metadata,
    MetadataIndex,
    TensorProperties,
    TensorStorageMetadata,
)


def save_folder(
    path: Path,
    weights: dict[str, Any],
    *,
    root: str = "state_dict",
    entries: dict[str, Any] | None = None,
    **meta: Any,
) -> Path:
    """Save ``weights`` with torch.distributed.checkpoint in this process, and a ``meta.pt``.

    Args:
        root: what Lightning's strategy puts before the names.
        entries: what is saved beside the weights (``optimizer_0``).
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dcp.save({root: weights, **(entries or {})}, checkpoint_id=path, no_dist=True)
    minimum = {"pytorch-lightning_version": "2.6.6", "hyper_parameters": {}, "epoch": 3}
    torch.save({**minimum, **meta}, path / "meta.pt")
    return path


Cut = tuple[tuple[int, ...], tuple[int, ...]]  # offsets and sizes of a chunk


def save_chunks(path: Path, name: str, whole: Tensor, cuts: list[Cut], **meta: Any) -> Path:
    """Save one tensor in chunks, each in a file of its own, as that many ranks do."""
    path.mkdir()
    key = f"state_dict.{name}"
    stored = {}
    for rank, (offsets, sizes) in enumerate(cuts):
        block = tuple(slice(at, at + size) for at, size in zip(offsets, sizes, strict=True))
        file = path / f"__{rank}_0.distcp"
        torch.save(whole[block].clone(), file)
        info = _StorageInfo(file.name, 0, file.stat().st_size)
        stored[MetadataIndex(key, torch.Size(offsets), rank)] = info
    chunks = [ChunkStorageMetadata(torch.Size(at), torch.Size(size)) for at, size in cuts]
    properties = TensorProperties.create_from_tensor(whole)
    entry = TensorStorageMetadata(properties, whole.shape, chunks)
    write_index(path, Metadata({key: entry}, {key: ("state_dict", name)}, stored))
    torch.save({"pytorch-lightning_version": "2.6.6", "epoch": 3, **meta}, path / "meta.pt")
    return path


def write_index(path: Path, metadata: Any) -> None:
    """Write ``.metadata``, as torch does."""
    (path / ".metadata").write_bytes(pickle.dumps(metadata))


@contextmanager
def changed_index(path: Path) -> Iterator[Metadata]:
    """Give the index of a folder of our own to be changed, and write it back."""
    metadata = pickle.loads((path / ".metadata").read_bytes())
    yield metadata
    write_index(path, metadata)


def change_places(path: Path, change: Callable[[_StorageInfo], object]) -> None:
    """Change where the index says that things are stored."""
    with changed_index(path) as metadata:
        for info in metadata.storage_data.values():
            change(info)


# Trains, saves `a.ckpt` in the working folder, and beside it what torch itself gathers.
FIT = """
import sys
import lightning.pytorch as pl
import torch
from lightning.pytorch.strategies import ModelParallelStrategy
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions, get_model_state_dict, get_optimizer_state_dict,
)
from sharded_net import Net, loader

optimizer, epochs, ranks = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
pl.seed_everything(1)
model = Net(optimizer)
trainer = pl.Trainer(
    accelerator="cpu", devices=ranks, max_epochs=epochs, logger=False,
    strategy=ModelParallelStrategy(data_parallel_size=ranks, tensor_parallel_size=1),
    enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
    use_distributed_sampler=False,
)
trainer.fit(model, loader())
trainer.save_checkpoint("a.ckpt")
whole = StateDictOptions(full_state_dict=True, cpu_offload=True)
gathered = {
    "weights": get_model_state_dict(model, options=whole),
    "optimizer": get_optimizer_state_dict(model, trainer.optimizers[0], options=whole),
}
if trainer.global_rank == 0:
    torch.save(gathered, "gathered.pt")
"""


def fit_sharded(folder: Path, *, optimizer: str = "adamw", epochs: int = 1, ranks: int = 2) -> Path:
    """Train with ModelParallelStrategy and return the folder ``a.ckpt``.

    ``gathered.pt`` beside it holds the whole weights and the optimizer's state, by name.
    """
    run_ranks(FIT, folder, optimizer, epochs, ranks, ranks=ranks)
    return folder / "a.ckpt"
