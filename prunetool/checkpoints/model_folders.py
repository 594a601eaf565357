"""Folders as Hugging Face's tools write them: which of their files is the weights.

::

    config.json
    model.safetensors                     one file, or
    model.safetensors.index.json          the index of several, or the same as torch files:
    pytorch_model.bin
    pytorch_model.bin.index.json

Diffusers and PEFT have names of their own for the first part.
"""

from __future__ import annotations

import re
from pathlib import Path

from prunetool.checkpoints.safetensors_files.shard_index import INDEX_SUFFIX
from prunetool.errors import CheckpointError

_KINDS = (  # safetensors first; one file before an index, as transformers looks for them
    (".safetensors", ("model", "diffusion_pytorch_model", "adapter_model")),
    (".bin", ("pytorch_model", "diffusion_pytorch_model", "adapter_model")),
)
_SHARD = re.compile(r"-\d{5}-of-(\d{5})\.(safetensors|bin)$")


def weights_in_model_folder(folder: Path) -> Path | None:
    """Return the file, or the index, that holds a folder's weights; None if it has none.

    Raises:
        CheckpointError: if there are several and none has a usual name, or shards and no index.
        OSError: if the folder cannot be read.
    """
    names = sorted(path.name for path in folder.iterdir() if not path.is_dir())
    for suffix, stems in _KINDS:
        for stem in stems:
            for name in (stem + suffix, stem + suffix + INDEX_SUFFIX):
                if name in names:
                    return folder / name
        others = _others(folder, names, suffix)
        if others is not None:
            return others
    return None


def _others(folder: Path, names: list[str], suffix: str) -> Path | None:
    """Take the only index, or the only file, of unusual name."""
    indexes = [name for name in names if name.endswith(suffix + INDEX_SUFFIX)]
    files = [name for name in names if name.endswith(suffix)]
    if len(indexes) == 1:
        return folder / indexes[0]
    if len(indexes) > 1:
        raise _several(folder, indexes)
    if suffix == ".bin" or not files:
        # Files of this name can be anything (training_args.bin).
        _no_lone_shards(folder, files)
        return None
    if len(files) == 1:
        return folder / files[0]
    _no_lone_shards(folder, files)
    raise _several(folder, files)


def _no_lone_shards(folder: Path, files: list[str]) -> None:
    shard = next((match for name in files if (match := _SHARD.search(name))), None)
    if shard is not None:
        raise CheckpointError(
            f"{folder}: {len(files)} shards without their index *.{shard[2]}{INDEX_SUFFIX}, "
            f"expected it and {int(shard[1])} shards; copy or download the whole folder again"
        )


def _several(folder: Path, names: list[str]) -> CheckpointError:
    some = " or ".join(str(folder / name) for name in names[:3])
    return CheckpointError(
        f"{folder}: {len(names)} files that could be the weights; name one: {some}"
    )
