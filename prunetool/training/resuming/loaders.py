"""The random state of a trainer's data loaders: generators of their own, and when they were made.

A ``DataLoader(generator=...)`` draws the order of its batches from a generator that the user made;
a resumed process makes it anew, and would begin with the order of the first epoch again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import torch


def generators_of(loaders: Iterable[Any]) -> list[list[torch.Generator]]:
    """List the generators of each loader, its samplers included; each generator once a loader."""
    return [list(_generators(loader)) for loader in loaders]


def set_generators(loaders: Sequence[Any], states: Sequence[Sequence[torch.Tensor]]) -> None:
    """Set the generators that :func:`generators_of` lists to ``states``, as far as both go."""
    for generators, own in zip(generators_of(loaders), states, strict=False):
        for generator, state in zip(generators, own, strict=False):
            generator.set_state(state.cpu())


def capture(trainer: Any) -> dict[str, Any]:
    """Read the generators of the loaders that are there, and the epochs they were made in."""
    return {
        name: {
            "generators": [
                [generator.get_state() for generator in found]
                for found in generators_of(loop._combined_loader.flattened)
            ],
            "made_in": float(getattr(loop, made_in)),
        }
        for name, loop, made_in in _loops(trainer)
        if loop._combined_loader is not None
    }


def restore(trainer: Any, state: Mapping[str, Any]) -> None:
    """Set what :func:`capture` read; generators that are no longer there are left out.

    Args:
        trainer: its training loaders exist; those of the validation are made if they did then.
        state: of the same process.
    """
    for name, loop, made_in in _loops(trainer):
        if name not in state:
            continue
        if loop._combined_loader is None:
            _make(trainer, loop)
        if loop._combined_loader is None:
            continue
        setattr(loop, made_in, state[name]["made_in"])
        set_generators(loop._combined_loader.flattened, state[name]["generators"])


def persist(trainer: Any) -> bool:
    """Whether workers of a training loader live on over epochs, with generators of their own."""
    return any(
        getattr(loader, "persistent_workers", False)
        for loader in trainer.fit_loop._combined_loader.flattened
    )


def _loops(trainer: Any) -> Iterator[tuple[str, Any, str]]:
    fit_loop = trainer.fit_loop
    yield "train", fit_loop, "_last_train_dl_reload_epoch"
    yield "val", fit_loop.epoch_loop.val_loop, "_last_val_dl_reload_epoch"


def _make(trainer: Any, val_loop: Any) -> None:
    """Make the loaders of the validation, as Lightning does when training starts."""
    trainer.validating = True
    val_loop.setup_data()
    trainer.training = True


def _generators(loader: Any) -> Iterator[torch.Generator]:
    seen: set[int] = set()
    batch_sampler = getattr(loader, "batch_sampler", None)
    holders = (loader, getattr(loader, "sampler", None), batch_sampler)
    for holder in (*holders, getattr(batch_sampler, "sampler", None)):
        generator = getattr(holder, "generator", None)
        if isinstance(generator, torch.Generator) and id(generator) not in seen:
            seen.add(id(generator))
            yield generator
