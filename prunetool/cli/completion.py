"""What the shell offers when Tab is pressed: only what is known without importing torch.

Names of parameters come from the ``report.json`` of a run, or the header of a safetensors file;
other files would take seconds to open, and no model is imported for a Tab.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import typer

from prunetool.checkpoints.names import STATISTICS

Complete = Callable[[str], list[str]]

CRITERIA = ("magnitude", "random", "saliency", "movement")
PATTERNS = ("elements", "channels", "2:4", "1:4", "4:8")
ALLOCATIONS = ("global", "uniform", "erk", "lamp")
SCHEDULES = ("one-shot", "linear", "cubic", "exponential")
RETRAIN = ("weights", "lr", "finetune")
FUNCTIONS = ("l1_unstructured", "random_unstructured", "ln_structured", "random_structured")
STRATEGIES = ("auto", "ddp", "fsdp2")

_PATHS = ("path", "target", "ckpt")  # as the commands call their first argument
_LARGEST = 2**24  # bytes of JSON that are read while somebody waits
_LENGTH = 8  # bytes before the header of a safetensors file that say how long it is


def one_of(choices: Iterable[str]) -> Complete:
    """Give what completes a word to one of ``choices``."""

    def complete(incomplete: str) -> list[str]:
        return [choice for choice in choices if choice.startswith(incomplete)]

    return complete


def parameter_names(ctx: typer.Context, incomplete: str) -> list[str]:
    """Offer the parameters of the checkpoint that was named already, and globs of its modules."""
    # While an option waits for its value, what stands before it is not assigned yet.
    assigned = [ctx.params[name] for name in _PATHS if ctx.params.get(name)]
    waiting = [word for word in ctx.args if not word.startswith("-")]
    names = [name for path in (assigned + waiting)[:1] for name in _names(Path(path))]
    globs = dict.fromkeys(f"{name.partition('.')[0]}.*" for name in names if "." in name)
    return [it for it in (*globs, *names) if it.startswith(incomplete)]


def _names(path: Path) -> Iterator[str]:
    """Yield the names of tensors, as far as they are to be had at once; nothing else is told."""
    try:
        if path.suffix == ".safetensors":
            yield from _parameters(_header(path))
            return
        run = path.parent.parent if path.parent.name == "checkpoints" else path
        report = run / "report.json"
        if report.stat().st_size <= _LARGEST:
            for layer in json.loads(report.read_text(encoding="utf-8"))["layers"]:
                yield layer["name"]
    except (OSError, ValueError, LookupError, TypeError):
        return


def _parameters(header: Mapping[str, Any]) -> list[str]:
    """Give the names that ``report`` knows tensors of a file by, but for those of buffers."""
    said = header.get("__metadata__", {})
    sparse = json.loads(said["sparse"])["tensors"] if "sparse" in said else {}
    parts = {f"{name}.{part}" for name in sparse for part in ("bits", "values")}
    stored = (name for name in header if name != "__metadata__" and name not in parts)
    return [name for name in (*stored, *sparse) if name.rpartition(".")[2] not in STATISTICS]


def _header(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        length = int.from_bytes(file.read(_LENGTH), "little")
        if length > _LARGEST:
            return {}
        return dict(json.loads(file.read(length)))
