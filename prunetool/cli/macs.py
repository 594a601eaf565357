"""``report --model``, ``--data``, ``--input-shape``: what a forward pass costs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from prunetool.errors import OptionError, UserCodeError

if TYPE_CHECKING:
    from prunetool.cli.output import Output
    from prunetool.reports.counting.macs import MacCounts
    from prunetool.training.building.sample import ModelChoice

_PANEL = "Multiply-accumulates"

Model = Annotated[
    str | None,
    typer.Option(
        "--model",
        rich_help_panel=_PANEL,
        help="Class of the model, pkg.mod:Class, if the file does not say; counts what a forward "
        "pass multiplies.",
    ),
]
ModelArg = Annotated[
    list[str] | None,
    typer.Option(
        "--model-arg", rich_help_panel=_PANEL, metavar="KEY=VALUE", help="Constructor argument."
    ),
]
Data = Annotated[
    str | None,
    typer.Option(
        "--data", rich_help_panel=_PANEL, help="A datamodule or a loader: counts on a batch of it."
    ),
]
DataArg = Annotated[
    list[str] | None,
    typer.Option(
        "--data-arg", rich_help_panel=_PANEL, metavar="KEY=VALUE", help="Argument of --data."
    ),
]
InputShape = Annotated[
    list[str] | None,
    typer.Option(
        "--input-shape",
        rich_help_panel=_PANEL,
        metavar="[NAME=]SIZES[:DTYPE]",
        help="Instead: one sample, such as 3,224,224 or input_ids=128:int64. Repeatable.",
    ),
]
AppDir = Annotated[
    str, typer.Option("--app-dir", rich_help_panel=_PANEL, help="Folder to import from.")
]


@dataclass(frozen=True)
class Wanted:
    """What the options say of the model and of what goes through it; false if nothing does."""

    model: str | None = None
    model_arg: Sequence[str] | None = None
    data: str | None = None
    data_arg: Sequence[str] | None = None
    input_shape: Sequence[str] | None = None
    app_dir: str = "."

    def __bool__(self) -> bool:
        return any((self.model, self.model_arg, self.data, self.data_arg, self.input_shape))

    def refuse_two(self) -> None:
        """Complain where two checkpoints are compared.

        Raises:
            OptionError: if the options were used.
        """
        if self:
            raise OptionError(
                "--model, --data, --input-shape: multiply-accumulates are counted for one "
                "checkpoint, got two; report on each by itself"
            )

    def check(self) -> None:
        """Complain of options that exclude each other.

        Raises:
            OptionError: naming them.
        """
        if self.data and self.input_shape:
            raise OptionError(
                "--input-shape, --data: each says what goes through the model; leave one out"
            )

    def count(self, checkpoint: Path, output: Output) -> MacCounts:
        """Count what one sample takes in the model of a checkpoint.

        Raises:
            PrunetoolError: if the model cannot be built, or there is nothing to call it with.
            UserCodeError: if the user's code raises.
        """
        from prunetool.reports.counting.macs import count_macs
        from prunetool.training.building.sample import model_and_call

        module, call = model_and_call(str(checkpoint), self._choice(), self.input_shape or ())
        try:
            counts = count_macs(module, *call.inputs, **call.named)
        except Exception as error:
            raise UserCodeError(f"calling {type(module).__name__} with {call.words}") from error
        output.note(f"multiply-accumulates of one sample, counted on {call.words}")
        return counts.per_sample(call.samples)

    def _choice(self) -> ModelChoice:
        from prunetool.training.building.sample import ModelChoice
        from prunetool.training.options.values import parse_pairs

        return ModelChoice(
            model=self.model,
            model_arg=parse_pairs(self.model_arg or (), option="--model-arg"),
            data=self.data,
            data_arg=parse_pairs(self.data_arg or (), option="--data-arg"),
            app_dir=self.app_dir,
        )
