"""TARGET: which model to train, and what to start from.

A target is the import path of a LightningModule or of a function that returns one, or a
checkpoint. Resolving it imports the user's code but builds nothing yet.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from prunetool.errors import TargetError
from prunetool.importing import import_object
from prunetool.suggest import did_you_mean
from prunetool.training.building.annotations import Where
from prunetool.training.building.construction import construct, name_of
from prunetool.training.building.starting import StartingPoint, read_starting_point
from prunetool.training.building.trees import Tree, tree_of

_CHECKPOINT_SUFFIXES = (".ckpt", ".pt", ".pth", ".bin", ".safetensors")


@dataclass(frozen=True)
class ModelSource:
    """A model that can be built.

    Attributes:
        path: the import path of the class or factory.
        builder: what it names.
        start: the weights to begin with, where the target is a checkpoint.
        recorded: constructor arguments known from that checkpoint.
    """

    path: str
    builder: Callable[..., Any]
    start: StartingPoint | None = None
    recorded: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """What a person would call the model."""
        return name_of(self.builder)


@dataclass(frozen=True)
class BuiltModel:
    """A LightningModule of the user's, and where it came from.

    Attributes:
        module: the instance.
        tree: the Lightning that it derives from.
        path: the import path of its class or factory.
        arguments: what that was called with.
    """

    module: Any
    tree: Tree
    path: str
    arguments: dict[str, Any]


def resolve_target(target: str, *, model: str | None = None, app_dir: str = ".") -> ModelSource:
    """Find what ``target`` names.

    Args:
        target: an import path or a checkpoint.
        model: for a checkpoint that does not record its class, the import path of that.
        app_dir: the folder that relative files are in; importable already.

    Raises:
        TargetError: if the target leads nowhere or to something else than a model.
        CheckpointError: if a checkpoint cannot be read.
        UserCodeError: if importing the user's code raises.
    """
    if not is_checkpoint_path(target):
        if model is not None:
            raise TargetError(f"--model {model}: only for a checkpoint; {target} names a model")
        return ModelSource(target, _import_builder(target, app_dir))
    start = read_starting_point(Path(target))
    path = model or start.model_path
    if path is None:
        raise TargetError(
            f"{target}: does not record the class of its model; name it with --model pkg.mod:Class"
        )
    builder = _import_builder(path, app_dir)
    if model is None and not inspect.isclass(builder):
        # A stranger's file could name any function, and what to call it with.
        raise TargetError(
            f"{target}: names the function {path} as the source of its model; functions that a "
            f"file names are not called: if it is yours, add --model {path}"
        )
    return ModelSource(path, builder, start, start.arguments_for(builder))


def build_model(
    source: ModelSource,
    arguments: dict[str, Any],
    *,
    where: Where | None = None,
    app_dir: str = ".",
) -> BuiltModel:
    """Call the class or factory; ``arguments`` win over those a checkpoint records.

    Args:
        source: what to call.
        arguments: by name.
        where: names the place of an argument, for messages.
        app_dir: the folder that relative files are in.

    Raises:
        OptionError: if an argument is unknown or missing.
        UserCodeError: if the constructor raises.
        TargetError: if a factory returns something else than a LightningModule.
    """
    merged = {**source.recorded, **arguments}
    module = construct(source.builder, merged, option="--model-arg", where=where, app_dir=app_dir)
    tree = tree_of(type(module))
    if tree is None:
        raise TargetError(
            f"{source.path}: {source.name}() returned {_described(module)}; "
            f"expected a LightningModule"
        )
    return BuiltModel(module, tree, source.path, merged)


def is_checkpoint_path(target: str) -> bool:
    """Tell a checkpoint (or a folder of one) from an import path, whether or not it exists."""
    if target.endswith(_CHECKPOINT_SUFFIXES) and ":" not in Path(target).name:
        return not _is_dotted_path(target)
    return os.path.exists(target) and not target.endswith(".py")


def _is_dotted_path(target: str) -> bool:
    """``models.bin`` may be an attribute; with a folder or a file of that name it is not."""
    return not os.path.exists(target) and os.sep not in target and not target.endswith(".ckpt")


def _import_builder(path: str, app_dir: str) -> Callable[..., Any]:
    found: Callable[..., Any] = import_object(path, app_dir=app_dir)
    if inspect.isclass(found):
        if tree_of(found) is None:
            raise TargetError(
                f"{path}: expected a LightningModule, got the class {found.__name__}"
                f"{_models_beside(found)}"
            )
        return found
    if not callable(found):
        raise TargetError(
            f"{path}: expected a LightningModule or a function that returns one, "
            f"got {_described(found)}"
        )
    return found


def _models_beside(cls: type) -> str:
    """Suggest the LightningModules of the same module, the closest name first."""
    namespace = vars(inspect.getmodule(cls) or object())
    models = [n for n, v in namespace.items() if inspect.isclass(v) and tree_of(v) is not None]
    own = [name for name in models if namespace[name].__module__ == cls.__module__]
    return did_you_mean(cls.__name__, own) or (f"; did you mean '{own[0]}'?" if own else "")


def _described(value: Any) -> str:
    if value is None:
        return "None"
    return f"{'an' if type(value).__name__[0] in 'aeiouAEIOU' else 'a'} {type(value).__name__}"
