"""Where the batches come from: ``--data``, or the model's own dataloaders."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from prunetool.errors import OptionError, TargetError
from prunetool.importing import import_object
from prunetool.training.building.annotations import Where
from prunetool.training.building.construction import construct, name_of
from prunetool.training.building.trees import Tree, tree_of


def fit_data(
    path: str | None,
    arguments: Mapping[str, Any],
    *,
    module: Any,
    tree: Tree,
    where: Where | None = None,
    app_dir: str = ".",
) -> dict[str, Any]:
    """Build the data of a fit.

    Args:
        path: import path of a LightningDataModule, or of a function that returns one, a
            DataLoader, or a pair (training, validation) of DataLoaders; None for the model's own.
        arguments: what it is called with.
        module: the model.
        tree: the model's Lightning; a datamodule must be of the same.
        where: names the place of an argument, for messages.
        app_dir: the folder that relative files are in.

    Returns:
        Keyword arguments for ``Trainer.fit``.

    Raises:
        OptionError: without any data, or for a wrong argument.
        TargetError: if the path leads nowhere or to something else.
        UserCodeError: if the user's code raises.
    """
    if path is None:
        return _own_data(module, arguments)
    builder = import_object(path, app_dir=app_dir, example="DataModule")
    if not callable(builder):
        raise TargetError(f"--data {path}: {_expected(type(builder).__name__)}")
    if inspect.isclass(builder):
        _require_data_class(builder, path, tree)
    built = construct(builder, arguments, option="--data-arg", where=where, app_dir=app_dir)
    return _as_fit_arguments(built, path, name_of(builder), tree)


def _own_data(module: Any, arguments: Mapping[str, Any]) -> dict[str, Any]:
    if arguments:
        raise OptionError(f"--data-arg {next(iter(arguments))}: only together with --data")
    name = type(module).__name__
    if _has_own_loader(module):
        return {}
    raise OptionError(
        f"no data: {name} has no train_dataloader; add one, or give a LightningDataModule "
        f"or a function that returns a DataLoader with --data pkg.mod:Name"
    )


def _has_own_loader(module: Any) -> bool:
    """Does anything but Lightning's own empty hook define ``train_dataloader``?"""
    home = str(getattr(module.train_dataloader, "__module__", ""))
    return not home.startswith(("lightning.pytorch.core.", "pytorch_lightning.core."))


def _require_data_class(cls: type, path: str, tree: Tree) -> None:
    from torch.utils.data import DataLoader

    if not issubclass(cls, DataLoader):
        _require_same_tree(cls, path, tree)


def _require_same_tree(cls: type, path: str, tree: Tree) -> None:
    own = tree_of(cls, "LightningDataModule")
    if own is None:
        raise TargetError(f"--data {path}: {_expected(f'the class {cls.__name__}')}")
    if own != tree:
        raise TargetError(
            f"--data {path}: a datamodule of {own.package}, but the model is of {tree.package}; "
            f"derive both from the same package"
        )


def _as_fit_arguments(built: Any, path: str, name: str, tree: Tree) -> dict[str, Any]:
    if tree_of(type(built), "LightningDataModule") is not None:
        _require_same_tree(type(built), path, tree)
        return {"datamodule": built}
    if isinstance(built, tuple) and len(built) == 2 and all(map(_is_loader, built)):
        return {"train_dataloaders": built[0], "val_dataloaders": built[1]}
    if _is_loader(built):
        return {"train_dataloaders": built}
    raise TargetError(f"--data {path}: {name}() returned a {type(built).__name__}; {_EXPECTED}")


def _is_loader(value: Any) -> bool:
    """Anything that Lightning takes for a loader of its own accord: it yields batches anew."""
    from torch.utils.data import DataLoader

    own_iterable = hasattr(value, "__iter__") and hasattr(value, "__len__")
    return isinstance(value, DataLoader) or (
        own_iterable and not isinstance(value, str | bytes | list | tuple | dict | set)
    )


_EXPECTED = "expected a LightningDataModule or a DataLoader"


def _expected(got: str) -> str:
    return f"{_EXPECTED}, or a function that returns one; got {got}"
