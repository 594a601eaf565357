"""The optimizer of a config file, in place of the model's own, as LightningCLI does it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, update_wrapper
from types import MethodType
from typing import Any

from prunetool.errors import OptionError
from prunetool.training.building.annotations import importable
from prunetool.training.building.complaints import in_one_line
from prunetool.training.building.targets import BuiltModel
from prunetool.training.building.trees import Tree
from prunetool.training.options.options import TrainOptions

_SECTIONS = ("optimizer", "lr_scheduler")
_WITHOUT_MONITOR = "torch.optim.lr_scheduler.ReduceLROnPlateau"


def use_optimizer(model: BuiltModel, options: TrainOptions, note: Callable[[str], None]) -> None:
    """Replace the model's ``configure_optimizers`` where the config says so.

    Args:
        model: gets the method; each fit then makes an optimizer of its own.
        options: the run.
        note: told what is replaced.

    Raises:
        OptionError: for a scheduler without an optimizer, or arguments that they do not take.
        TargetError, UserCodeError: if a class path leads nowhere, or importing it raises.
    """
    if options.optimizer is None:
        if options.lr_scheduler is not None:
            where = options.origins.of_section("lr_scheduler")
            raise OptionError(f"{where}: schedules an optimizer, and there is no such section")
        return
    described = _checked(model.tree, options)
    module = model.module
    if model.tree.load("utilities.model_helpers").is_overridden("configure_optimizers", module):
        note(
            f"{described[0]['class_path']} of the config takes the place of "
            f"{type(module).__name__}.configure_optimizers"
        )
    method = partial(_configure_optimizers, tree=model.tree, described=described)
    # What Lightning looks through to see that the method is not its own.
    update_wrapper(method, _configure_optimizers)
    module.configure_optimizers = MethodType(method, module)


def _configure_optimizers(module: Any, *, tree: Tree, described: tuple[Any, Any]) -> Any:
    cli = tree.load("cli")
    optimizer = cli.instantiate_class(module.parameters(), described[0])
    scheduler = cli.instantiate_class(optimizer, described[1]) if described[1] else None
    return cli.LightningCLI.configure_optimizers(module, optimizer, scheduler)


def _checked(tree: Tree, options: TrainOptions) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """Both, with their defaults filled in and their class paths whole."""
    from jsonargparse import ArgumentError

    parser = tree.load("cli").LightningArgumentParser(exit_on_error=False)
    parser.add_optimizer_args()
    parser.add_lr_scheduler_args()
    found: dict[str, Any] = {}
    for name in _SECTIONS:
        where = options.origins.of_section(name)
        section = importable(getattr(options, name), where, options.app_dir)
        if section is not None:
            try:
                found[name] = parser.parse_object({name: section})[name].as_dict()
            except ArgumentError as error:
                raise OptionError(in_one_line(str(error), options.origins.of_section)) from None
    scheduler = found.get("lr_scheduler")
    if scheduler is not None and scheduler["class_path"] == _WITHOUT_MONITOR:
        where = options.origins.of_section("lr_scheduler")
        raise OptionError(
            f"{where}: {_WITHOUT_MONITOR} does not say what it watches; take "
            f"{tree.package}.cli.ReduceLROnPlateau, whose init_args have a monitor"
        )
    return found["optimizer"], scheduler
