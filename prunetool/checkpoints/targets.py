"""The files that an export writes: how they are named, and what must not be in their way."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from prunetool.checkpoints.reader import Checkpoint
from prunetool.checkpoints.safetensors_files.shard_index import INDEX_SUFFIX
from prunetool.checkpoints.safetensors_files.sharding import index_path
from prunetool.checkpoints.writing import check_target
from prunetool.errors import OutputError

_SUFFIX = ".safetensors"
_CHECKPOINT_SUFFIXES = (".ckpt", ".pt", ".pth", ".bin")
_MADE_BY_US = (".dense", ".sparse")


def input_of(checkpoint: Checkpoint, given: Path | None) -> Path:
    """Say what the user takes for the input: what was given, or what it led to.

    Args:
        checkpoint: opened from ``given``.
        given: a file or folder, an index too; None if it is not known.
    """
    return checkpoint.path if given is None else given


def default_target(source: Path, *, sparse: bool = False) -> Path:
    """Name the output after the input, and beside it, never in it.

    ``STEM.safetensors``, after a folder ``FOLDER.safetensors``; ``STEM.dense.safetensors`` where
    the input is safetensors itself; ``STEM.sparse.safetensors`` for the sparse form.
    """
    if source.is_dir() and source.name in ("", ".."):
        source = source.resolve()
    # A folder's name may have dots that begin no suffix: bert-v1.5.
    has_suffix = not source.is_dir() or source.suffix in _CHECKPOINT_SUFFIXES
    plain = Path(source.name.removesuffix(INDEX_SUFFIX))
    stem = plain.stem if has_suffix else plain.name
    for ending in _MADE_BY_US:
        stem = stem.removesuffix(ending) or stem
    dense = ".dense" if plain.suffix == _SUFFIX and not source.is_dir() else ""
    return source.with_name(f"{stem}{'.sparse' if sparse else dense}{_SUFFIX}")


class Guard:
    """Keeps an output from the input that it is made of.

    Args:
        checkpoint: what is exported or finalized.
        source: what the user takes for the input, see :func:`input_of`.
        force: whether other files may be replaced.
    """

    def __init__(self, checkpoint: Checkpoint, source: Path, *, force: bool) -> None:
        is_run = checkpoint.path.is_file() and checkpoint.path.parent != source
        self._source = checkpoint.path if is_run else source
        self._of_input = {_identity(path) for path in checkpoint.files if path.is_file()}
        self._force = force

    def check(self, targets: Iterable[Path]) -> None:
        """Refuse, before any work is done, what may not be written or removed.

        Raises:
            OutputError: naming the file.
        """
        for target in targets:
            check_target(target, source=self._source, force=self._force)
            if target.is_file() and _identity(target) in self._of_input:
                raise OutputError(
                    f"{target}: the output would replace a file of the input {self._source}; "
                    "name another with -o"
                )


def leftovers(target: Path, paths: Sequence[Path]) -> list[Path]:
    """List what an older export to ``target`` left that would be read with, or for, the new one.

    That is the file itself where there are shards now, the index where there is none now, and
    the shards that the old index names and the new export does not have.
    """
    old_index = index_path(target)
    old = [target, old_index, *_shards_in(old_index, target)]
    return [path for path in dict.fromkeys(old) if path not in paths and path.is_file()]


def _shards_in(index: Path, target: Path) -> list[Path]:
    """Return the files that an index names, as far as their names are an export's."""
    ours = re.compile(rf"{re.escape(target.stem)}-\d{{5}}-of-\d{{5}}{re.escape(target.suffix)}")
    return [target.with_name(name) for name in _names_in(index) if ours.fullmatch(name)]


def _names_in(index: Path) -> list[str]:
    try:
        content = json.loads(index.read_bytes())
        names = content["weight_map"].values()
    except (OSError, ValueError, RecursionError, KeyError, TypeError, AttributeError):
        return []
    return sorted({name for name in names if isinstance(name, str)})


def _identity(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_dev, status.st_ino
