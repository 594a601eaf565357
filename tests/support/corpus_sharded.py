"""Sharded folders: by Lightning's strategy in two processes, and with both of its prefixes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from corpus_plain import Plain
from corpus_sample import Sample, sample_of
from corpus_values import Settings
from sharded import fit_sharded, save_folder
from torch.nn.utils import prune


def _lightning(folder: Path) -> Sample:
    """What torch gathers from the ranks is what has to be in the folder."""
    from corpus_use import batch_of
    from sharded_net import Net

    path = fit_sharded(folder)
    model = Net("adamw")
    model.load_state_dict(torch.load(folder / "gathered.pt", weights_only=True)["weights"])
    made = sample_of(path, model, user="fsdp2", inputs=batch_of("fsdp2"))
    # A floating buffer of a name that nobody knows is taken for a parameter.
    return Sample(path, made.tensors, (*made.counted, "scale"), made.user, made.outputs)


def _by_hand(folder: Path, root: str, **meta: Any) -> Sample:
    model = Plain()
    prune.l1_unstructured(model.hidden, "weight", 0.5)
    path = save_folder(folder / "model", dict(model.state_dict()), root=root, **meta)
    prune.remove(model.hidden, "weight")
    return sample_of(path, model)


def _with_model_prefix(folder: Path) -> Sample:
    return _by_hand(folder, "model")


def _with_objects(folder: Path) -> Sample:
    return _by_hand(folder, "state_dict", hyper_parameters={"settings": Settings(0.1)})


SHARDED: dict[str, Callable[[Path], Sample]] = {
    "sharded-lightning": _lightning,
    "sharded-model-prefix": _with_model_prefix,
    "sharded-objects": _with_objects,
}
