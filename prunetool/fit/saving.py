"""What a checkpoint gets from the pruning callbacks when Lightning saves it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from prunetool.fit import saved
from prunetool.fit.layout import unfolded
from prunetool.fit.session import Session, put_back
from prunetool.fit.sharded_state import (
    SHARDED,
    Large,
    as_entries,
    as_whole,
    is_spread,
    with_large,
)

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

    Where targets are sharded it is a collective. If each process writes its own part, the weights
    are plain in either case, and what lies under the masks goes beside them.

    Args:
        checkpoint: what Lightning is about to write.
        model: whose names the masks have.
        session: the masks.
        key: under which entry of ``checkpoint["callbacks"]`` the state goes.
        state: of all pruning callbacks; see :mod:`prunetool.fit.saved`.
        permanent: plain weights with zeros; otherwise the layout of ``torch.nn.utils.prune``.
    """
    saved.describe(checkpoint, model)
    session.settle()  # weights that the user's code has changed since the last step
    spread = is_spread(checkpoint.get("state_dict", {}))
    state, originals, entries = _placed(state, session, spread=spread)
    if "callbacks" in checkpoint:
        checkpoint["callbacks"][key] = state
    names = _masked_names(model, session)
    for where in _WEIGHTS:
        if where in checkpoint:
            weights = _obeying(checkpoint[where], names, session, spread=spread)
            plain = permanent or spread
            checkpoint[where] = weights if plain else _kept(weights, names, session, originals)
    if entries:
        checkpoint["state_dict"] = {**checkpoint["state_dict"], **entries}


def _placed(
    state: dict[str, Any], session: Session, *, spread: bool
) -> tuple[dict[str, Any], Mapping[str, Tensor], dict[str, Tensor]]:
    """Give state, values under masks and further entries as a checkpoint of its kind holds them."""
    originals = session.originals() if session.keep_values else {}
    if not session.is_sharded:
        return state, originals, {}
    parts = Large(
        state["early"], originals, [own.get("gathered", {}) for own in state["callbacks"]]
    )
    if spread:
        state = with_large(state, Large({}, {}, [{}] * len(parts.gathered)))
        return {**state, SHARDED: parts.names()}, {}, as_entries(parts, session)
    whole = as_whole(parts, session)
    return with_large(state, whole), whole.originals, {}


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
    state_dict: dict[str, Tensor], names: dict[str, str], session: Session, *, spread: bool
) -> dict[str, Tensor]:
    masks = session.masks
    gathered = session.is_sharded and not spread
    pruned = {
        key: ~masks.whole(name) if gathered else masks.pruned(name)
        for key, name in names.items()
        if masks.count(name)
    }
    return saved.mask_state_dict(state_dict, pruned)


def _kept(
    state_dict: dict[str, Tensor],
    names: dict[str, str],
    session: Session,
    originals: Mapping[str, Tensor],
) -> dict[str, Tensor]:
    kept = {key: session.masks.whole(name) for key, name in names.items()}

    def original(key: str, tensor: Tensor) -> Tensor:
        return put_back(tensor.detach(), ~kept[key], originals.get(names[key]))

    return unfolded(state_dict, kept, original)
