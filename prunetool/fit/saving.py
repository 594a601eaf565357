"""What a checkpoint gets from the pruning callbacks when Lightning saves it."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from prunetool.fit import saved
from prunetool.fit.layout import unfolded
from prunetool.fit.session import Session

# Where Lightning's EMA callback puts the live weights while `state_dict` holds the averaged ones.
_WEIGHTS = ("state_dict", "current_model_state")


def write_into(
    checkpoint: dict[str, Any],
    model: nn.Module,
    session: Session,
    *,
    key: str,
    state: dict[str, Any],
    permanent: bool,
) -> None:
    """Make a checkpoint's weights obey the masks, and put the pruning state into it.

    The dict's tensors are the live ones: entries are replaced, never changed in place.

    Args:
        checkpoint: what Lightning is about to write; sharded strategies leave weights out of it.
        model: whose names the masks have.
        session: the masks.
        key: under which entry of ``checkpoint["callbacks"]`` the state goes.
        state: of all pruning callbacks; see :mod:`prunetool.fit.saved`.
        permanent: plain weights with zeros; otherwise the layout of ``torch.nn.utils.prune``.
    """
    saved.describe(checkpoint, model)
    if "callbacks" in checkpoint:
        checkpoint["callbacks"][key] = state
    session.settle()  # weights that the user's code has changed since the last step
    names = _masked_names(model, session)
    for where in _WEIGHTS:
        if where in checkpoint:
            weights = _obeying(checkpoint[where], names, session)
            checkpoint[where] = weights if permanent else _kept(weights, names, session)


def _masked_names(model: nn.Module, session: Session) -> dict[str, str]:
    """Map every key of a masked tensor, tied names included, to the name of its mask."""
    first: dict[int, str] = {}
    names = {}
    for key, parameter in model.named_parameters(remove_duplicate=False):
        name = first.setdefault(id(parameter), key)
        if name in session.masks:
            names[key] = name
    return names


def _obeying(
    state_dict: dict[str, Tensor], names: dict[str, str], session: Session
) -> dict[str, Tensor]:
    pruned = {k: session.masks.pruned(n) for k, n in names.items() if session.masks.count(n)}
    return saved.mask_state_dict(state_dict, pruned)


def _kept(
    state_dict: dict[str, Tensor], names: dict[str, str], session: Session
) -> dict[str, Tensor]:
    kept = {key: session.masks.kept(name) for key, name in names.items()}
    return unfolded(
        state_dict, kept, lambda key, tensor: session.original(names[key], tensor.detach())
    )
