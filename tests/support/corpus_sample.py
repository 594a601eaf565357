"""What a maker of the corpus gives: a checkpoint, and what the tool that wrote it says is in it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Sample:
    """One checkpoint.

    Attributes:
        path: a file or a folder.
        tensors: plain name to values, masks applied by the tool's own code; tied names included.
        counted: the names that are parameters, tied ones under their first name only.
        user: how a finalized file is used (``corpus_use.py``); None if it cannot be.
        outputs: what the live model gives for the batch; None without ``user``.
        finalizes: whether there is a file to write masks back to.
        wrapper: prefix of the names in the file, which a finalized file keeps: it is for the
            same wrapped model.
    """

    path: Path
    tensors: Mapping[str, Tensor]
    counted: tuple[str, ...]
    user: str | None = None
    outputs: Tensor | None = None
    finalizes: bool = True
    wrapper: str = ""


def sample_of(
    path: Path,
    model: nn.Module,
    *,
    user: str | None = None,
    inputs: Any = None,
    finalizes: bool = True,
) -> Sample:
    """Describe a file by the live model: call this when no mask is left in it.

    Args:
        inputs: a batch for the model, where there is a ``user``.
    """
    model.eval()
    with torch.no_grad():
        outputs = None if user is None else plain_output(model(inputs)).clone()
    return Sample(
        path=path,
        tensors={name: it.detach().clone() for name, it in model.state_dict().items()},
        counted=tuple(name for name, _ in model.named_parameters()),
        user=user,
        outputs=outputs,
        finalizes=finalizes,
    )


def plain_output(output: Any) -> Tensor:
    """Take the logits out of what transformers' models give."""
    return output if isinstance(output, Tensor) else output.logits


def tensors_sample(
    path: Path, tensors: Mapping[str, Tensor], *, buffers: Iterable[str] = ()
) -> Sample:
    """Describe a file of tensors without a model around them.

    Args:
        buffers: names that are no parameters, or another name of one that comes earlier.
    """
    counted = tuple(name for name in tensors if name not in set(buffers))
    return Sample(path, dict(tensors), counted)
