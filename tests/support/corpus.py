"""Checkpoints by the tools that people use: made by their own code, never by hand.

Everything that has a name in ``MAKERS`` can be made alone. Makers import their tool themselves.
"""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from corpus_hf import HUGGING_FACE
from corpus_lightning import LIGHTNING
from corpus_own import OWN
from corpus_prune import PRUNED
from corpus_sample import Sample
from corpus_sharded import SHARDED
from corpus_torch import TORCH
from corpus_wrapped import WRAPPED

MAKERS: dict[str, Callable[[Path], Sample]] = {
    **LIGHTNING,
    **PRUNED,
    **WRAPPED,
    **TORCH,
    **HUGGING_FACE,
    **SHARDED,
    **OWN,
}


def make(name: str, folder: Path) -> Sample:
    """Make one checkpoint of the corpus below ``folder``; the same at each call."""
    place = folder / name
    place.mkdir(parents=True)
    with _others_warnings(), torch.random.fork_rng(), torch.enable_grad():
        torch.manual_seed(1)
        return MAKERS[name](place)


@contextlib.contextmanager
def _others_warnings() -> Iterator[None]:
    """What the tools warn of, and what Lightning tells, is not our matter."""
    lightning = logging.getLogger("lightning.pytorch")
    level = lightning.level
    lightning.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        lightning.setLevel(level)
