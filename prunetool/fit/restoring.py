"""Masks that are there before a fit begins: on the modules, in a checkpoint, or given.

Lightning loads weights before the layers of the strategy and the optimizers are ready, so nothing
is applied while loading: what is found is only kept here, and installed when training starts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from prunetool.fit import saved
from prunetool.fit.layout import Found, absorb, fold_while_loading
from prunetool.fit.session import Session
from prunetool.fit.sharded_state import localised
from prunetool.pruning.targets import all_sites, as_targets

if TYPE_CHECKING:
    from torch.utils.hooks import RemovableHandle


class Restoring:
    """Collects masks until :meth:`install` hands them to a session."""

    def __init__(self) -> None:
        self._found = Found()
        self._state: Mapping[str, Any] | None = None
        self._source: Path | None = None
        self._handles: list[RemovableHandle] = []

    def prepare(self, model: nn.Module, *, averaged: Iterable[nn.Module], fitting: bool) -> None:
        """Make ready for a checkpoint in torch's layout; before a fit, make modules plain.

        Args:
            model: its layers may still be missing (``configure_model``).
            averaged: copies of it that load their own weights from the checkpoint.
            fitting: whether a fit follows; otherwise modules stay as they are.
        """
        self.forget()
        if fitting:
            absorb(model, self._found)
        # Reached before Lightning's own hooks: it loads weights first and asks callbacks after.
        hook = fold_while_loading(self._found)
        for module in (model, *averaged):
            handle = module.register_load_state_dict_pre_hook(hook)  # type: ignore[no-untyped-call]
            self._handles.append(handle)

    def forget(self) -> None:
        """Drop what an earlier stage found: a test run's checkpoint is not the next fit's."""
        self.close()
        self._found, self._state, self._source = Found(), None, None

    def close(self) -> None:
        """Stop listening for checkpoints."""
        for handle in self._handles:
            handle.remove()
        self._handles = []

    def keep_state(self, state: Mapping[str, Any], *, source: Path | None = None) -> None:
        """Keep the pruning state of a checkpoint, and which it was, until training starts."""
        self._state = state
        self._source = source or self._source

    def add_masks(self, masks: Mapping[str, Tensor]) -> None:
        """Start from these masks too: bool tensors by parameter name, True where kept."""
        self._found.masks.update({name: mask.bool() for name, mask in masks.items()})

    def install(self, model: nn.Module, session: Session) -> Mapping[str, Any] | None:
        """Put every mask found into ``session`` and make everything obey.

        Returns:
            The pruning state of the checkpoint, once; None if there was none.

        Raises:
            ValueError: if a mask does not fit its parameter, or a newer version wrote it.
        """
        state, self._state = self._state, None
        if state is not None:
            masks = saved.masks_in(state).masks
            # In torch's layout the values under the masks have been found with them.
            self._found.masks = {**masks, **self._found.masks}
        if self._found.masks:
            known = as_targets(model, all_sites(model))
            canonical = _first_names(model)
            found = Found(
                {canonical.get(name, name): m for name, m in self._found.masks.items()},
                {canonical.get(name, name): t for name, t in self._found.originals.items()},
            )
            session.enrol([target for target in known if target.name in found.masks])
            session.take(found)
            session.settle()
            self._found.masks.clear()
            self._found.originals.clear()
        return None if state is None else localised(state, self._source, session)


def _first_names(model: nn.Module) -> dict[str, str]:
    """Map every name of a tied parameter to its first."""
    first: dict[int, str] = {}
    return {
        name: first.setdefault(id(parameter), name)
        for name, parameter in model.named_parameters(remove_duplicate=False)
    }
