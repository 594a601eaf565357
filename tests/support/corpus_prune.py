"""Masks as torch's own tools leave them in a state_dict, before they are removed there."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from corpus_plain import Masked, Plain, Tied, images
from corpus_sample import Sample, sample_of
from torch import Tensor, nn
from torch.nn.utils import parametrizations, parametrize, prune


def _identity(model: Plain) -> None:
    prune.identity(model.hidden, "weight")


def _custom(model: Plain) -> None:
    prune.custom_from_mask(model.hidden, "weight", torch.arange(1152).reshape(8, 144) % 3 == 0)
    prune.custom_from_mask(model.out, "bias", torch.tensor([1, 0, 1]))


def _iterative(model: Plain) -> None:
    """Three methods on one weight: a PruningContainer."""
    prune.random_unstructured(model.hidden, "weight", 0.3)
    prune.l1_unstructured(model.hidden, "weight", 100)
    prune.ln_structured(model.hidden, "weight", 0.25, n=2, dim=0)


def _global(model: Plain) -> None:
    chosen = [(model.conv, "weight"), (model.hidden, "weight"), (model.out, "weight")]
    prune.global_unstructured(chosen, pruning_method=prune.L1Unstructured, amount=0.7)


METHODS: dict[str, Callable[[Plain], Any]] = {
    "random-unstructured": lambda it: prune.random_unstructured(it.conv, "weight", 0.4),
    "l1-unstructured": lambda it: prune.l1_unstructured(it.hidden, "weight", 0.4),
    "random-structured": lambda it: prune.random_structured(it.conv, "weight", 0.5, dim=0),
    "ln-structured": lambda it: prune.ln_structured(it.hidden, "weight", 0.5, n=1, dim=1),
    "global": _global,
    "custom": _custom,
    "identity": _identity,
    "iterative": _iterative,
}


def _pruned(method: str, folder: Path, *, dtype: torch.dtype = torch.float32) -> Sample:
    model = Plain().to(dtype)
    METHODS[method](model)
    torch.save(model.state_dict(), folder / "model.pt")
    _remove(model)
    return sample_of(folder / "model.pt", model.float(), user="plain", inputs=images())


def _pruned_half(folder: Path) -> Sample:
    """In half precision, where the masks are in half precision too; loaded into a float model."""
    made = _pruned("global", folder, dtype=torch.float16)
    tensors = {
        name: it.half() if it.is_floating_point() else it for name, it in made.tensors.items()
    }
    return Sample(made.path, tensors, made.counted, made.user, made.outputs)


def _tied(folder: Path) -> Sample:
    """The tied weight is pruned by both of its modules, as global pruning would."""
    model = Tied()
    prune.l1_unstructured(model.hidden, "weight", 0.5)
    torch.save({"state_dict": model.state_dict(), "epoch": 4}, folder / "model.pth")
    _remove(model)
    return sample_of(folder / "model.pth", model, user="tied", inputs=images())


def _users_masks(folder: Path) -> Sample:
    model = Masked()
    prune.l1_unstructured(model.hidden, "weight", 0.5)
    torch.save(model.state_dict(), folder / "model.pt")
    _remove(model)
    return sample_of(folder / "model.pt", model, user="masked", inputs=images())


def _remove(model: nn.Module) -> None:
    for module in model.modules():
        for hook in list(module._forward_pre_hooks.values()):
            if isinstance(hook, prune.BasePruningMethod):
                prune.remove(module, hook._tensor_name)


class Mask(nn.Module):
    """A parametrization written by hand."""

    def __init__(self, mask: Tensor) -> None:
        super().__init__()
        self.register_buffer("mask", mask)

    def forward(self, weight: Tensor) -> Tensor:
        return weight * self.mask


def _parametrized(folder: Path) -> Sample:
    model = Plain()
    mask = (torch.arange(1152).reshape(8, 144) % 4 == 0).float()
    parametrize.register_parametrization(model.hidden, "weight", Mask(mask))
    torch.save(model.state_dict(), folder / "model.pt")
    parametrize.remove_parametrizations(model.hidden, "weight")
    return sample_of(folder / "model.pt", model, user="plain", inputs=images())


def _sparsifier(folder: Path) -> Sample:
    """torch's own sparsifier before its squash_mask; it keeps its masks out of the state_dict."""
    from torch.ao.pruning import WeightNormSparsifier

    model = Plain()
    sparsifier = WeightNormSparsifier(sparsity_level=0.6, sparse_block_shape=(1, 4))
    sparsifier.prepare(model, [{"tensor_fqn": "hidden.weight"}, {"tensor_fqn": "out.weight"}])
    sparsifier.step()
    torch.save(model.state_dict(), folder / "model.pt")
    return sample_of(folder / "model.pt", model)


def _no_masks(folder: Path) -> Sample:
    """Parametrizations that are no masks: nothing may be folded."""
    model = Plain()
    parametrizations.weight_norm(model.hidden)
    parametrizations.spectral_norm(model.out)
    torch.save(model.state_dict(), folder / "model.pt")
    made = sample_of(folder / "model.pt", model)
    vectors = tuple(f"out.parametrizations.weight.0.{it}" for it in ("_u", "_v"))
    # Floating buffers of a name that nobody knows are taken for parameters.
    return Sample(made.path, made.tensors, (*made.counted, *vectors))


PRUNED: dict[str, Callable[[Path], Sample]] = {
    **{f"prune-{method}": partial(_pruned, method) for method in METHODS},
    "prune-half": _pruned_half,
    "prune-tied": _tied,
    "prune-users-masks": _users_masks,
    "parametrize-mask": _parametrized,
    "parametrize-sparsifier": _sparsifier,
    "parametrize-norms": _no_masks,
}
