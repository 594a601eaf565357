"""``prunetool export``: the plain model's weights as safetensors."""

from __future__ import annotations

import enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from prunetool.cli.options import CheckpointArgument, Exclude, Force, Include
from prunetool.cli.output import Output
from prunetool.errors import OptionError

if TYPE_CHECKING:
    from prunetool.checkpoints.export import Exported


class Format(enum.StrEnum):
    """How zeros are stored."""

    DENSE = "dense"
    SPARSE = "sparse"


class Dtype(enum.StrEnum):
    """What floating tensors are converted to: names of torch dtypes."""

    FLOAT32 = "float32"
    FLOAT16 = "float16"
    BFLOAT16 = "bfloat16"
    FLOAT64 = "float64"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        name="export",
        epilog="Example: prunetool export runs/demo-1 -o model.safetensors --dtype bfloat16",
    )(_command)


def _command(
    ckpt: CheckpointArgument,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="OUT", help="STEM.safetensors beside the input by default."
        ),
    ] = None,
    form: Annotated[
        Format, typer.Option("--format", help="sparse is not available yet.")
    ] = Format.DENSE,
    dtype: Annotated[
        Dtype | None, typer.Option(help="Convert floating tensors; kept as they are by default.")
    ] = None,
    strip_prefix: Annotated[
        str, typer.Option(metavar="P", help="Take this off the names that begin with it.")
    ] = "",
    include: Include = None,
    exclude: Exclude = None,
    max_shard_size: Annotated[
        str, typer.Option(metavar="SIZE", help="Bytes of weights in one file.")
    ] = "5GB",
    force: Force = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Print the paths of the output only.")
    ] = False,
) -> None:
    """Write the weights of a checkpoint as safetensors, masks applied; same input, same bytes.

    Globs are for the names in the checkpoint, before --strip-prefix.
    """
    if form is Format.SPARSE:
        raise OptionError("--format sparse: not available yet; use dense")
    import torch

    from prunetool.checkpoints.export import Selection, export
    from prunetool.checkpoints.reader import open_checkpoint
    from prunetool.checkpoints.sharding import parse_size

    selection = Selection(
        include=include or (),
        exclude=exclude or (),
        strip_prefix=strip_prefix,
        dtype=None if dtype is None else getattr(torch, dtype),
    )
    largest = parse_size(max_shard_size)
    checkpoint = open_checkpoint(ckpt)
    exported = export(checkpoint, output, selection=selection, largest_shard=largest, force=force)
    _show(exported, checkpoint.path, Output(quiet=quiet))


def _show(exported: Exported, source: Path, output: Output) -> None:
    for path in exported.paths:
        output.line(str(path) if output.quiet else f"wrote {path} ({path.stat().st_size} bytes)")
    if not output.quiet:
        output.line(
            f"before {exported.input_bytes} bytes ({source}, {exported.weight_bytes} of them "
            f"weights) after {exported.output_bytes} bytes in {exported.tensors} tensors"
        )
