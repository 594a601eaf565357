"""Models in a wrapper that puts a prefix before the names: DDP, torch.compile, averages."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
import torch.distributed as dist
from corpus_plain import Plain, images
from corpus_sample import Sample, sample_of
from torch import nn
from torch.nn.utils import prune
from torch.optim.swa_utils import AveragedModel


def _sparse() -> Plain:
    model = Plain()
    prune.l1_unstructured(model.hidden, "weight", 0.5)
    return model


def _saved(model: Plain, wrapped: nn.Module, wrapper: str, folder: Path) -> Sample:
    torch.save({"state_dict": wrapped.state_dict(), "epoch": 3}, folder / "model.pth")
    prune.remove(model.hidden, "weight")
    made = sample_of(folder / "model.pth", model, user="plain", inputs=images())
    return replace(made, wrapper=wrapper)


def _data_parallel(folder: Path) -> Sample:
    """DistributedDataParallel in a process group of one."""
    model = _sparse()
    store = dist.FileStore(str(folder / "store"), 1)
    dist.init_process_group("gloo", store=store, rank=0, world_size=1)
    try:
        wrapped = nn.parallel.DistributedDataParallel(model)
        made = _saved(model, wrapped, "module.", folder)
    finally:
        dist.destroy_process_group()
    (folder / "store").unlink(missing_ok=True)
    return made


def _compiled(folder: Path) -> Sample:
    """Wrapped, not run: nothing is compiled before the first call."""
    model = _sparse()
    return _saved(model, torch.compile(model), "_orig_mod.", folder)


def _compiled_parallel(folder: Path) -> Sample:
    model = _sparse()
    wrapped = nn.DataParallel(torch.compile(model))
    return _saved(model, wrapped, "module._orig_mod.", folder)


def _averaged(folder: Path) -> Sample:
    """torch's AveragedModel of the third of three states: a count, and the model with a prefix."""
    model = Plain()
    average = AveragedModel(model)
    for _ in range(3):
        nn.init.normal_(model.hidden.weight)
        average.update_parameters(model)
    torch.save(average.state_dict(), folder / "model.pt")
    made = sample_of(folder / "model.pt", average.module)
    # The count is no weight; it has no prefix either.
    tensors = {**made.tensors, "n_averaged": average.n_averaged.clone()}
    return replace(made, tensors=tensors, wrapper="module.")


WRAPPED: dict[str, Callable[[Path], Sample]] = {
    "wrapped-ddp": _data_parallel,
    "wrapped-compile": _compiled,
    "wrapped-compile-in-parallel": _compiled_parallel,
    "wrapped-average": _averaged,
}
