"""Sharded checkpoint folders, made by several processes with Lightning or by hand in one."""

from __future__ import annotations

import os
import pickle
import socket
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import torch
import torch.distributed.checkpoint as dcp
from torch import Tensor
from torch.distributed.checkpoint.filesystem import _StorageInfo
from torch.distributed.checkpoint.metadata import (
    ChunkStorageMetadata,
    Metadata,
    MetadataIndex,
    TensorProperties,
    TensorStorageMetadata,
)

SUPPORT = Path(__file__).parent
ROOT = SUPPORT.parent.parent


def run_ranks(
    source: str, folder: Path, *arguments: object, ranks: int = 2, timeout: float = 120
) -> list[str]:
    """Run Python source in ``ranks`` processes that find each other as under torchrun.

    They run in ``folder``, can import prunetool and this folder's modules, and see ``arguments``
    in ``sys.argv[1:]``. Lightning needs no launcher in them.

    Args:
        timeout: seconds for all of them; those still running are then killed.

    Returns:
        What each rank printed.

    Raises:
        AssertionError: if one fails or is late; with the output of all.
    """
    command = [sys.executable, "-c", source, *map(str, arguments)]
    port = _free_port()
    with ExitStack() as files:
        logs = [files.enter_context(tempfile.TemporaryFile("w+")) for _ in range(ranks)]
        processes = [
            subprocess.Popen(
                command,
                cwd=folder,
                env=_environment(rank, ranks, port),
                stdout=log,
                stderr=subprocess.STDOUT,
            )
            for rank, log in enumerate(logs)
        ]
        in_time = _wait(processes, timeout)
        shown = []
        for log in logs:
            log.seek(0)
            shown.append(log.read())
    codes = [process.returncode for process in processes]
    if any(codes) or not in_time:
        reason = "" if in_time else f" after {timeout} s"
        parts = (
            f"--- rank {rank}: exit code {code}{reason}\n{text[-4000:]}"
            for rank, (code, text) in enumerate(zip(codes, shown, strict=True))
        )
        raise AssertionError("\n".join(parts))
    return shown


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def _environment(rank: int, ranks: int, port: int) -> dict[str, str]:
    return os.environ | {
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(SUPPORT)]),
        "PYTHONWARNINGS": "ignore",
        "OMP_NUM_THREADS": "1",
        "TORCHELASTIC_RUN_ID": "tests",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "GROUP_RANK": "0",
        "WORLD_SIZE": str(ranks),
        "LOCAL_WORLD_SIZE": str(ranks),
    }


def _wait(processes: list[subprocess.Popen[bytes]], timeout: float) -> bool:
    """Wait until all are done, one has failed or it is late; kill what is left then."""
    deadline = time.monotonic() + timeout
    try:
        while None in (codes := [process.poll() for process in processes]):
            if any(codes):
                time.sleep(1)  # the others have a moment to say what they saw
                return True
            if time.monotonic() > deadline:
                return False
            time.sleep(0.05)
        return True
    finally:
        for process in processes:
            if process.poll() is None:
                process.kill()
            process.wait()


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
