"""Folders that lie: indexes of safetensors, and sharded folders of torch.distributed."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from hostile_pickles import touch
from hostile_tools import Maker, honest
from safetensors.torch import save_file
from sharded import change_places, changed_index, save_folder, write_index


def _index(
    change: Callable[[dict[str, Any], Path], bytes | None], folder: Path, canary: Path
) -> Path:
    """A folder with an index that ``change`` has spoilt."""
    model = folder / "model"
    model.mkdir()
    save_file(honest(), model / "model-00001-of-00001.safetensors")
    save_file({"w": torch.full((2, 2), 7.0)}, folder / "secret.safetensors")
    index: dict[str, Any] = {
        "metadata": {},
        "weight_map": {"w": "model-00001-of-00001.safetensors"},
    }
    raw = change(index, folder)
    written = json.dumps(index).encode() if raw is None else raw
    (model / "model.safetensors.index.json").write_bytes(written)
    return model


def _points_to(target: str) -> Callable[[dict[str, Any], Path], None]:
    def change(index: dict[str, Any], folder: Path) -> None:
        index["weight_map"]["w"] = target.format(folder=folder)

    return change


def _without_map(index: dict[str, Any], folder: Path) -> None:
    index["weight_map"] = [["w", 1]]


def _map_of_numbers(index: dict[str, Any], folder: Path) -> None:
    index["weight_map"] = {"w": 5}


def _deep_index(index: dict[str, Any], folder: Path) -> bytes:
    return b'{"weight_map":' + b"[" * 100_000 + b"]" * 100_000 + b"}"


def _pipe(index: dict[str, Any], folder: Path) -> None:
    """Whoever opens it waits for ever."""
    os.mkfifo(folder / "model" / "pipe.safetensors")
    index["weight_map"]["w"] = "pipe.safetensors"


_INDEXES: dict[str, Callable[[dict[str, Any], Path], bytes | None]] = {
    "outside": _points_to("../secret.safetensors"),
    "absolute": _points_to("{folder}/secret.safetensors"),
    "missing": _points_to("missing.safetensors"),
    "null": _points_to("a\0b"),
    "folder": _points_to("."),
    "no map": _without_map,
    "numbers": _map_of_numbers,
    "100,000 deep": _deep_index,
    "pipe": _pipe,
}


def _sharded(change: Callable[[Path, Path], None], folder: Path, canary: Path) -> Path:
    path = save_folder(folder / "model", honest(), entries={"steps": {"n": 5}})
    change(path, canary)
    return path


def _metadata_call(path: Path, canary: Path) -> None:
    write_index(path, touch(canary))


def _planner_data(path: Path, canary: Path) -> None:
    with changed_index(path) as metadata:
        metadata.planner_data["x"] = touch(canary)


def _metadata_key(path: Path, canary: Path) -> None:
    with changed_index(path) as metadata:
        metadata.state_dict_metadata[touch(canary)] = 5


def _storage_path(target: str, path: Path, canary: Path) -> None:
    change_places(path, lambda info: setattr(info, "relative_path", target))


def _storage_range(field: str, value: int, path: Path, canary: Path) -> None:
    with changed_index(path) as metadata:
        for key, info in metadata.storage_data.items():
            if key.fqn == "state_dict.w":
                setattr(info, field, value)


def _replaced_entry(entry: str, path: Path, canary: Path) -> None:
    """A call in place of an entry: of bytes (optimizers, counts) or of a tensor."""
    hostile = io.BytesIO()
    torch.save(touch(canary), hostile)
    (path / "__9_0.distcp").write_bytes(hostile.getvalue())
    with changed_index(path) as metadata:
        for key, info in metadata.storage_data.items():
            if key.fqn == entry:
                info.relative_path, info.offset = "__9_0.distcp", 0
                info.length = len(hostile.getvalue())


def _meta_file(path: Path, canary: Path) -> None:
    torch.save({"hyper_parameters": {"x": touch(canary)}}, path / "meta.pt")


def _absurd_size(path: Path, canary: Path) -> None:
    with changed_index(path) as metadata:
        entry = metadata.state_dict_metadata["state_dict.w"]
        entry.size = torch.Size([10**9, 10**9])
        entry.chunks[0].sizes = torch.Size([10**9, 10**9])


def _negative_chunk(path: Path, canary: Path) -> None:
    with changed_index(path) as metadata:
        chunk = metadata.state_dict_metadata["state_dict.w"].chunks[0]
        chunk.offsets, chunk.sizes = torch.Size([-1, 0]), torch.Size([3, 2])


def _deep_metadata(path: Path, canary: Path) -> None:
    (path / ".metadata").write_bytes(b"\x80\x02" + b"]" * 10**6 + b"a" * (10**6 - 1) + b".")


SHARDED: dict[str, Callable[[Path, Path], None]] = {
    ".metadata": _metadata_call,
    "planner data": _planner_data,
    "key of .metadata": _metadata_key,
    "bytes": partial(_replaced_entry, "steps.n"),
    "tensor": partial(_replaced_entry, "state_dict.w"),
    "meta.pt": _meta_file,
    "path outside": partial(_storage_path, "../../../../../../etc/passwd"),
    "absolute path": partial(_storage_path, "/etc/passwd"),
    "offset": partial(_storage_range, "offset", 2**60),
    "negative offset": partial(_storage_range, "offset", -8),
    "length": partial(_storage_range, "length", 2**60),
    "negative length": partial(_storage_range, "length", -1),
    "size": _absurd_size,
    "negative chunk": _negative_chunk,
    ".metadata 1,000,000 deep": _deep_metadata,
}

FOLDERS: dict[str, Maker] = {
    **{f"index: {name}": partial(_index, change) for name, change in _INDEXES.items()},
    **{f"sharded: {name}": partial(_sharded, change) for name, change in SHARDED.items()},
}
