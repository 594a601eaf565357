"""A model and something to call it with: a shape, a batch of its data, or its own example."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from prunetool.errors import OptionError, UserCodeError
from prunetool.importing import make_importable
from prunetool.suggest import did_you_mean
from prunetool.training.building.construction import accepted
from prunetool.training.building.data import fit_data
from prunetool.training.building.targets import BuiltModel, build_model, resolve_target

_EXAMPLES = "such as 3,224,224, or input_ids=128:int64"


@dataclass(frozen=True)
class Call:
    """What ``forward`` is called with.

    Attributes:
        samples: how many go through at once.
        words: what it is, for people.
    """

    inputs: tuple[Any, ...]
    named: Mapping[str, Any]
    samples: int
    words: str


@dataclass(frozen=True)
class ModelChoice:
    """Which model a checkpoint is of, as far as it does not say so itself; see ``TrainOptions``."""

    model: str | None = None
    model_arg: dict[str, Any] = field(default_factory=dict)
    data: str | None = None
    data_arg: dict[str, Any] = field(default_factory=dict)
    app_dir: str = "."


def model_and_call(
    checkpoint: str, choice: ModelChoice, shapes: Sequence[str] = ()
) -> tuple[Any, Call]:
    """Build the model of a checkpoint, without its weights, and find something to call it with.

    Args:
        shapes: each ``[NAME=]SIZE,SIZE...[:DTYPE]``, without the dimension of the batch.

    Returns:
        The module in evaluation mode, and the call.

    Raises:
        PrunetoolError: if the checkpoint does not say its class, or there is nothing to call with.
        UserCodeError: if the user's code raises.
    """
    from_shapes = _call_of_shapes(shapes) if shapes else None
    make_importable(choice.app_dir)
    source = resolve_target(checkpoint, model=choice.model, app_dir=choice.app_dir)
    built = build_model(source, choice.model_arg)
    if from_shapes is not None:
        _require_names(built.module, from_shapes)
    call = from_shapes or _call_of_data(built, choice)
    return built.module.eval(), call


def _call_of_shapes(shapes: Sequence[str]) -> Call:
    inputs: list[Tensor] = []
    named: dict[str, Tensor] = {}
    for shape in shapes:
        name, equals, sizes = shape.rpartition("=")
        tensor = _zeros(sizes, shape)
        if equals:
            named[name.strip()] = tensor
        else:
            inputs.append(tensor)
    return Call(tuple(inputs), named, 1, f"an input of {' and '.join(shapes)}")


def _require_names(module: Any, call: Call) -> None:
    known = list(inspect.signature(module.forward).parameters)
    for name in call.named:
        if not accepted(module.forward, [name]):
            raise OptionError(
                f"--input-shape {name}: {type(module).__name__}.forward has no such argument"
                f"{did_you_mean(name, known) or '; it takes ' + ', '.join(known)}"
            )


def _zeros(text: str, shape: str) -> Tensor:
    if not shape.strip():
        raise OptionError(f"--input-shape '{shape}': expected sizes, {_EXAMPLES}")
    sizes, colon, dtype_name = text.partition(":")
    dtype = getattr(torch, dtype_name.strip(), None) if colon else torch.float32
    if not isinstance(dtype, torch.dtype):
        raise OptionError(
            f"--input-shape {shape}: no dtype '{dtype_name}'"
            f"{did_you_mean(dtype_name, ('float32', 'float16', 'bfloat16', 'int64', 'bool'))}; "
            f"{_EXAMPLES}"
        )
    numbers = [part.strip() for part in sizes.replace("x", ",").split(",")] if sizes.strip() else []
    if not all(number.isdecimal() and int(number) > 0 for number in numbers):
        raise OptionError(f"--input-shape {shape}: expected sizes of 1 or more, {_EXAMPLES}")
    try:
        return torch.zeros(1, *map(int, numbers), dtype=dtype)
    except RuntimeError:
        raise OptionError(
            f"--input-shape {shape}: an input of that size does not fit into memory; "
            f"expected the sizes of one sample, {_EXAMPLES}"
        ) from None


def _call_of_data(built: BuiltModel, choice: ModelChoice) -> Call:
    if choice.data is None:
        example = getattr(built.module, "example_input_array", None)
        if example is None:
            raise OptionError(
                f"multiply-accumulates: what does {type(built.module).__name__} take? Give "
                f"--input-shape, {_EXAMPLES}, or --data"
            )
        return _call_of_batch(built.module, example, "its example_input_array")
    arguments = fit_data(
        choice.data,
        choice.data_arg,
        module=built.module,
        tree=built.tree,
        app_dir=choice.app_dir,
    )
    return _call_of_batch(built.module, _first_batch(arguments), f"a batch of {choice.data}")


def _first_batch(arguments: Mapping[str, Any]) -> Any:
    try:
        if (module := arguments.get("datamodule")) is not None:
            module.prepare_data()
            module.setup("fit")
            return next(iter(module.train_dataloader()))
        return next(iter(arguments["train_dataloaders"]))
    except Exception as error:
        raise UserCodeError("drawing a batch") from error


def _call_of_batch(module: Any, batch: Any, words: str) -> Call:
    """Call ``forward`` with what a model takes of a batch: its first part, or those it names."""
    if isinstance(batch, Mapping):
        names = [name for name in batch if isinstance(name, str)]
        named = {name: batch[name] for name in accepted(module.forward, names)}
        if not named:  # it takes the whole dict
            return Call((batch,), {}, _samples(batch.values()), words)
        return Call((), named, _samples(named.values()), words)
    inputs = tuple(batch)[: _taken(module)] if isinstance(batch, list | tuple) else (batch,)
    return Call(inputs, {}, _samples(inputs), words)


def _taken(module: Any) -> int:
    """Count the arguments that ``forward`` cannot do without, at least 1."""
    parameters = inspect.signature(module.forward).parameters.values()
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    needed = [it for it in parameters if it.kind in positional and it.default is it.empty]
    return max(len(needed), 1)


def _samples(values: Any) -> int:
    sizes = [it.shape[0] for it in values if isinstance(it, Tensor) and it.dim()]
    return int(sizes[0]) if sizes and sizes[0] else 1
