"""``prunetool export``: the plain model's weights as safetensors."""

from __future__ import annotations

import enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from prunetool.cli.helping import Command
from prunetool.cli.options import (
    CheckpointArgument,
    Exclude,
    Force,
    Include,
    Trust,
    compute_in_one_thread,
)
from prunetool.cli.output import Output

if TYPE_CHECKING:
    from prunetool.checkpoints.export import Exported
    from prunetool.checkpoints.sparse.choice import Sizes


_WORTH_A_NOTE = 0.01  # of the dense bytes, that -0.0 takes in a sparse file


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
        cls=Command,
        epilog="Example: prunetool export runs/demo-1 -o model.safetensors --dtype bfloat16",
    )(_command)


def _command(
    ckpt: CheckpointArgument,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="OUT",
            help="STEM.safetensors (STEM.sparse.safetensors) beside the input by default.",
        ),
    ] = None,
    form: Annotated[
        Format,
        typer.Option(
            "--format",
            help="sparse: zeros take one bit; read by prunetool or numpy.",
        ),
    ] = Format.DENSE,
    dtype: Annotated[
        Dtype | None, typer.Option(help="Convert floating tensors; kept as they are by default.")
    ] = None,
    strip_prefix: Annotated[
        str, typer.Option(metavar="P", help="Take this off the names that begin with it.")
    ] = "",
    include: Include = None,
    exclude: Exclude = None,
    positive_zeros: Annotated[
        bool,
        typer.Option(
            "--positive-zeros",
            help="Write -0.0 as 0.0: torch's own pruning leaves both, and sparse files keep -0.0.",
        ),
    ] = False,
    untie: Annotated[
        bool,
        typer.Option("--untie", help="Write tied weights once for each name, not once in all."),
    ] = False,
    max_shard_size: Annotated[
        str, typer.Option(metavar="SIZE", help="Bytes of weights in one file.")
    ] = "5GB",
    force: Force = False,
    trust: Trust = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Print the paths of the output only.")
    ] = False,
) -> None:
    """Write the weights of a checkpoint as safetensors, masks applied; same input, same bytes.

    Globs are for the names in the checkpoint, before --strip-prefix.
    """
    import torch

    from prunetool.checkpoints.export import bytes_to_go_through, export
    from prunetool.checkpoints.reader import open_checkpoint
    from prunetool.checkpoints.safetensors_files.sharding import parse_size
    from prunetool.checkpoints.selection import Selection
    from prunetool.cli.working import working

    selection = Selection(
        include=include or (),
        exclude=exclude or (),
        strip_prefix=strip_prefix,
        dtype=None if dtype is None else getattr(torch, dtype),
        untie=untie,
        positive_zeros=positive_zeros,
    )
    largest = parse_size(max_shard_size)
    compute_in_one_thread()
    terminal = Output(quiet=quiet)
    sparse = form is Format.SPARSE
    checkpoint = open_checkpoint(ckpt, trust=trust)
    terminal.note_unread(checkpoint.path, checkpoint.unread)
    total = bytes_to_go_through(checkpoint, selection, sparse=sparse)
    with working(terminal, f"exporting {checkpoint.path}", total) as advance:
        exported = export(
            checkpoint,
            output,
            given=ckpt,
            selection=selection,
            sparse=sparse,
            largest_shard=largest,
            force=force,
            advance=advance,
        )
    _show(exported, checkpoint.path, terminal)


def _show(exported: Exported, source: Path, output: Output) -> None:
    for path in exported.paths:
        output.line(str(path) if output.quiet else f"wrote {path} ({path.stat().st_size} bytes)")
    if output.quiet:
        return
    for path in exported.removed:
        output.line(f"removed {path} of an older export")
    output.line(
        f"before {exported.input_bytes} bytes ({source}, {exported.weight_bytes} bytes of "
        f"weights) after {exported.output_bytes} bytes in {exported.tensors} tensors"
    )
    if exported.sizes is not None:
        output.line(_sizes(exported.sizes, exported.output_bytes))
        if exported.sizes.negative_bytes > _WORTH_A_NOTE * exported.sizes.dense:
            output.note(
                f"{exported.sizes.negative_zeros} zeros are -0.0 and stored as values, to be "
                "exact; --positive-zeros makes them plain zeros"
            )


def _sizes(sizes: Sizes, written: int) -> str:
    def share(count: int) -> str:
        return f"{count} bytes ({count / sizes.dense:.2%})" if sizes.dense else f"{count} bytes"

    return (
        f"dense {sizes.dense} bytes, sparse {share(written)}, "
        f"information-theoretic limit {share(sizes.limit)}"
    )
