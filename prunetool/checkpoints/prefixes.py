"""What wrappers around a model put into the names of its tensors, and the names without it.

``torch.compile`` adds a level ``_orig_mod`` wherever a module was compiled. Saving the state of a
DistributedDataParallel, or of torch's AveragedModel, puts ``module.`` before every name.
"""

from __future__ import annotations

from collections.abc import Collection

_COMPILED = "_orig_mod"
_WRAPPED = "module."
_AVERAGED_COUNT = "n_averaged"  # beside the weights in torch's AveragedModel


def without_prefixes(names: Collection[str], *, own_module: bool) -> dict[str, str]:
    """Map every name to the one that the model has by itself.

    Args:
        names: all of one ``state_dict``.
        own_module: whether ``module.`` is the model's own, as in Lightning's checkpoints: it
            takes its wrappers off before it saves.

    Returns:
        By the name as it is, in order. Nothing is taken off where two names would become one.
    """
    plain = {name: _uncompiled(name) for name in names}
    wrapped = [name for name in plain.values() if name != _AVERAGED_COUNT]
    if not own_module and wrapped and all(_is_wrapped(name) for name in wrapped):
        plain = {name: it.removeprefix(_WRAPPED) for name, it in plain.items()}
    return plain if len(set(plain.values())) == len(plain) else {name: name for name in names}


def _uncompiled(name: str) -> str:
    return ".".join(part for part in name.split(".") if part != _COMPILED)


def _is_wrapped(name: str) -> bool:
    return name.startswith(_WRAPPED) and len(name) > len(_WRAPPED)
