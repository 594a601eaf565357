"""The optimizers of a sharded folder in the form that a checkpoint in one file has.

A folder names parameters: ``optimizer_0.state.fc.weight.exp_avg``; a file numbers them in the
order of the optimizer's own groups, which is that of ``param_groups[...]["params"]``.
"""

from __future__ import annotations

import re
from typing import Any

from prunetool.checkpoints.sharded.files import ShardFiles
from prunetool.checkpoints.sharded.index import KeyPath
from prunetool.checkpoints.sharded.nesting import nest

_ROOT = re.compile(r"optimizer_(\d{1,6})(\.|$)")
_STATE, _GROUPS, _PARAMS = "state", "param_groups", "params"
_DEPTH = 3  # of (state, NAME, KEY) and of (param_groups, INDEX, KEY)


class UnknownFormError(Exception):
    """The state cannot be brought into the form of a file without guessing; says why."""


def optimizer_states(files: ShardFiles) -> list[dict[str, Any]]:
    """Read the state of all optimizers, as ``optimizer_states`` of a Lightning checkpoint.

    Returns:
        An empty list if there are none. All tensors are in memory.

    Raises:
        UnknownFormError: if it is not one value for each parameter, or parameter group, and key.
        CheckpointError: if it cannot be read.
    """
    entries = _entries(files)
    if set(entries) != set(range(len(entries))):
        raise UnknownFormError(f"there are optimizers {sorted(entries)}, and none between")
    return [_numbered(_read(files, entries[number])) for number in range(len(entries))]


def _entries(files: ShardFiles) -> dict[int, dict[str, KeyPath]]:
    """Group keys, and their paths below it, by optimizer."""
    found: dict[int, dict[str, KeyPath]] = {}
    for key, path in files.index.paths.items():
        match = _ROOT.match(str(path[0]))
        if match is not None:
            found.setdefault(int(match[1]), {})[key] = path[1:]
    return found


def _read(files: ShardFiles, paths: dict[str, KeyPath]) -> dict[str, Any]:
    for key, path in paths.items():
        if len(path) != _DEPTH or path[0] not in (_STATE, _GROUPS):
            raise UnknownFormError(f"{key} is nested otherwise than torch's optimizers nest")
    files.check(paths)
    try:
        tree: dict[str, Any] = nest((path, files.read(key)) for key, path in paths.items())
    except ValueError as error:
        raise UnknownFormError(str(error)) from error
    return tree


def _numbered(tree: dict[str, Any]) -> dict[str, Any]:
    """Replace the names of parameters by their numbers, counted through all groups."""
    groups, state = tree.get(_GROUPS, []), tree.get(_STATE, {})
    if not isinstance(groups, list) or not isinstance(state, dict):
        raise UnknownFormError("its groups are no list, or its state is no dict")
    names = [name for group in groups for name in _names_of(group)]
    numbers = {name: number for number, name in enumerate(names)}
    if len(numbers) != len(names) or not state.keys() <= numbers.keys():
        raise UnknownFormError("its groups do not name each parameter once")
    of_number = {numbers[name]: values for name, values in state.items()}
    return {
        _STATE: dict(sorted(of_number.items())),
        _GROUPS: [
            {**group, _PARAMS: [numbers[name] for name in _names_of(group)]} for group in groups
        ],
    }


def _names_of(group: dict[str, Any]) -> list[str]:
    names = group.get(_PARAMS)
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise UnknownFormError("a parameter group without the names of its parameters")
    return names
