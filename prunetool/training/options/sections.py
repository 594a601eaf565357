"""A config file in LightningCLI's shape, and the options that it stands for.

Only ``pruning`` and ``prunetool`` are sections of our own; LightningCLI knows the others, and a
file that it wrote is read as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from prunetool._version import __version__
from prunetool.errors import OptionError
from prunetool.suggest import did_you_mean

# How a key is named to the user: the file, and the path within it.
Where = str

_SEED, _TARGET, _VERSION = "seed_everything", "target", "version"
TRAINER = (
    "max_epochs", "max_steps", "accelerator", "devices", "num_nodes", "strategy", "precision",
)  # fmt: skip
PRUNING = (
    "masks_from_zeros", "include", "exclude", "parameter_names", "global", "allocation",
    "max_layer_sparsity", "min_layer_density", "criterion", "pattern", "pruning_fn", "dim", "norm",
    "skip_unfit", "permanent", "sparsity", "amount", "schedule", "start", "end", "every",
    "apply_pruning", "lottery_ticket", "rounds", "retrain", "rewind_step", "resample",
    "shuffle_masks",
)  # fmt: skip
_SECTIONS = (
    _SEED, "trainer", "model", "data", "optimizer", "lr_scheduler", "ckpt_path", "weights_only",
    "pruning", "prunetool",
)  # fmt: skip
_OF_SUBCOMMANDS = ("fit", "validate", "test", "predict", "subcommand")
# What a Trainer takes where nothing limits it, which LightningCLI writes as null.
_LIGHTNINGS_EPOCHS = 1000
# Elsewhere null stands for the Trainer's default; here it is a value: validation across epochs.
_NULL_IS_A_VALUE = ("check_val_every_n_epoch",)


def as_sections(values: Mapping[str, Any], *, is_checkpoint: bool) -> dict[str, Any]:
    """Arrange the values of options as a file holds them.

    Args:
        values: all options by key (``TrainOptions.as_config``).
        is_checkpoint: whether the target is a checkpoint, which is no class path.
    """
    rest = dict(values)
    target, model = rest.pop(_TARGET), rest.pop("model")
    ours = {_VERSION: __version__, **({_TARGET: target} if is_checkpoint else {})}
    trainer = {key: rest.pop(key) for key in TRAINER}
    path, arguments = rest.pop("data"), rest.pop("data_arg")
    return {
        _SEED: rest.pop("seed"),
        "trainer": {**trainer, **rest.pop("trainer")},
        "model": _class(model if is_checkpoint else target, rest.pop("model_arg")),
        "data": _class(path, arguments) if path is not None or arguments else None,
        **{key: rest.pop(key) for key in ("optimizer", "lr_scheduler", "ckpt_path")},
        "pruning": {key: rest.pop(key) for key in PRUNING},
        "prunetool": {**ours, **rest},
    }


def _class(path: str | None, arguments: Mapping[str, Any]) -> dict[str, Any]:
    return {"class_path": path, "init_args": dict(arguments)}


def from_sections(sections: Mapping[str, Any], where: Where, ours: set[str]) -> dict[str, Any]:
    """Read the options that a file gives.

    Args:
        sections: the file.
        where: names it ("--config FILE").
        ours: what the section ``prunetool`` may hold.

    Returns:
        Values by option key; their types are checked by ``options.from_values``.

    Raises:
        OptionError: naming a section or a key that means nothing, or that has no value of its kind.
    """
    sections = _of_fit(sections, where)
    _require_known(sections, _SECTIONS, f"{where}: no section")
    values: dict[str, Any] = {}
    if not isinstance(sections.get(_SEED), bool):  # true and false: the default seed
        values["seed"] = sections.get(_SEED)
    values |= _trainer(sections, where)
    values |= _ours(sections, where, ours)
    pruning = _mapping(sections, "pruning", where)
    _require_known(pruning, (*PRUNING, "lottery_epochs"), f"{where}: pruning has no option")
    values |= _listed(pruning)
    for name, (path, argument) in {
        "model": ("model" if _TARGET in values else _TARGET, "model_arg"),
        "data": ("data", "data_arg"),
    }.items():
        values[path], values[argument] = _class_of(sections.get(name), f"{where}: {name}")
    for name in ("optimizer", "lr_scheduler"):
        values[name] = _named_class(sections.get(name), f"{where}: {name}")
    values["ckpt_path"] = sections.get("ckpt_path")
    return {key: value for key, value in values.items() if value is not None}


def _of_fit(sections: Mapping[str, Any], where: Where) -> Mapping[str, Any]:
    """Take what LightningCLI's subcommand ``fit`` would, where the file has a part for each."""
    fit = sections.get("fit")
    rest = {key: value for key, value in sections.items() if key not in _OF_SUBCOMMANDS}
    if fit is None:
        return rest
    if not isinstance(fit, Mapping):
        raise OptionError(f"{where}: fit: expected the sections of the subcommand, got {fit!r}")
    twice = [key for key in fit if key in rest]
    if twice:
        raise OptionError(f"{where}: {twice[0]} and fit.{twice[0]}: keep one of the two")
    return {**rest, **fit}


def _trainer(sections: Mapping[str, Any], where: Where) -> dict[str, Any]:
    trainer = _named(_mapping(sections, "trainer", where), f"{where}: trainer")
    given = {
        key: value for key, value in trainer.items() if value is not None or key in _NULL_IS_A_VALUE
    }
    for limit in ("max_epochs", "max_steps"):
        if given.get(limit) == -1:  # no limit
            del given[limit]
    if "max_epochs" in trainer and "prunetool" not in sections and not _is_limited(given):
        given["max_epochs"] = _LIGHTNINGS_EPOCHS
    own = {key: given.pop(key) for key in TRAINER if key in given}
    for key, value in own.items():
        if isinstance(value, Mapping):
            raise OptionError(
                f"{where}: trainer.{key}: expected a name, not a class_path: the run needs to know "
                f"it by name"
            )
    return {**own, "trainer": given}


def _is_limited(trainer: Mapping[str, Any]) -> bool:
    return "max_epochs" in trainer or "max_steps" in trainer


def _ours(sections: Mapping[str, Any], where: Where, known: set[str]) -> dict[str, Any]:
    section = _mapping(sections, "prunetool", where)
    _require_known(section, sorted(known | {_TARGET, _VERSION}), f"{where}: prunetool has no key")
    return {key: value for key, value in section.items() if key != _VERSION and value is not None}


def _listed(pruning: Mapping[str, Any]) -> dict[str, Any]:
    values = dict(pruning)
    for name in ("include", "exclude", "parameter_names"):
        if isinstance(values.get(name), str):
            values[name] = [part.strip() for part in values[name].split(",")]
    if (epochs := values.pop("lottery_epochs", None)) is not None:
        values["lottery_ticket"] = epochs
    return values


def _class_of(section: Any, where: Where) -> tuple[str | None, dict[str, Any] | None]:
    """The class path and the arguments of a section; without a path, all of it is arguments."""
    if section is None or isinstance(section, str):
        return section, None
    if not isinstance(section, Mapping):
        raise OptionError(f"{where}: expected class_path and init_args, got {section!r}")
    keys = ("class_path", "init_args", "dict_kwargs")
    if not any(key in section for key in keys):
        return None, _named(section, where)
    _require_known(section, keys, f"{where} has no key")
    arguments: dict[str, Any] = {}
    for key in keys[1:]:
        given = section.get(key) or {}
        if not isinstance(given, Mapping):
            raise OptionError(f"{where}.{key}: expected names and values, got {given!r}")
        arguments |= _named(given, f"{where}.{key}")
    path = section.get("class_path")
    if path is not None and not isinstance(path, str):
        raise OptionError(f"{where}.class_path: expected an import path, got {path!r}")
    return path, arguments


def _named_class(section: Any, where: Where) -> dict[str, Any] | None:
    if section is None:
        return None
    path, arguments = _class_of(section, where)
    if path is None:
        raise OptionError(
            f"{where}: class_path is missing: which class takes {', '.join(arguments or {})}? "
            f"write class_path: torch.optim.NAME, and these under init_args"
        )
    return _class(path, arguments or {})


def _mapping(sections: Mapping[str, Any], name: str, where: Where) -> Mapping[str, Any]:
    section = sections.get(name)
    if section is None:
        return {}
    if not isinstance(section, Mapping):
        raise OptionError(f"{where}: {name}: expected names and values, got {section!r}")
    return section


def _named(given: Mapping[Any, Any], where: Where) -> dict[str, Any]:
    """Require that all arguments have names: YAML takes 1 for a number and ``on`` for true."""
    for key in given:
        if not isinstance(key, str):
            raise OptionError(f"{where}: expected the name of an argument, got {key!r}")
    return dict(given)


def _require_known(given: Mapping[str, Any], known: Any, complaint: str) -> None:
    for key in given:
        if key not in known:
            names = [str(name) for name in known]
            hint = did_you_mean(str(key), names) or f"; expected {', '.join(names)}"
            raise OptionError(f"{complaint} '{key}'{hint}")
