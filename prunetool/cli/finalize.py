"""``prunetool finalize``: masks applied for good."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from prunetool.cli.helping import Command
from prunetool.cli.options import CheckpointArgument, Force, Trust, compute_in_one_thread
from prunetool.cli.output import Output
from prunetool.cli.working import working

if TYPE_CHECKING:
    from prunetool.checkpoints.finalize import Finalized


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        name="finalize",
        cls=Command,
        epilog="Example: prunetool finalize runs/demo-1 -o model.final.ckpt",
    )(_command)


def _command(
    ckpt: CheckpointArgument,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="OUT", help="STEM.final.ckpt beside the input by default."
        ),
    ] = None,
    weights_only: Annotated[
        bool,
        typer.Option(
            "--weights-only",
            help="Leave the state of optimizers, schedulers, loops and callbacks out.",
        ),
    ] = False,
    force: Force = False,
    trust: Trust = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Print the path of the output only.")
    ] = False,
) -> None:
    """Apply the masks in a checkpoint for good, and drop them; everything else is kept.

    The result loads with load_from_checkpoint, and training goes on from it, without prunetool.
    A sharded folder becomes one file. Nothing in the file is run, and what is not known in it is
    written back as it was.
    """
    from prunetool.checkpoints.finalize import bytes_of, finalize
    from prunetool.checkpoints.reader import open_checkpoint

    compute_in_one_thread()
    screen = Output(quiet=quiet)
    checkpoint = open_checkpoint(ckpt, trust=trust)
    total = bytes_of(checkpoint, weights_only=weights_only)
    with working(screen, f"finalizing {checkpoint.path.name}", total) as advance:
        finalized = finalize(
            checkpoint, output, weights_only=weights_only, force=force, advance=advance
        )
    _show(finalized, screen)


def _show(finalized: Finalized, output: Output) -> None:
    if output.quiet:
        output.line(str(finalized.path))
        return
    if finalized.kind is None and not finalized.copies:
        output.line("no masks in the checkpoint: nothing to fold")
    if finalized.kind is not None:
        names = ", ".join(finalized.names)
        output.line(f"folded {len(finalized.names)} masks of {finalized.kind}: {names}")
        output.line(
            f"sparsity {finalized.sparsity:.6f} pruned {finalized.pruned} of {finalized.elements}"
        )
    if finalized.copies:
        output.line(f"folded masks in {', '.join(finalized.copies)}")
    if finalized.left_out is not None:
        output.line(f"left out {finalized.left_out}")
    output.line(f"wrote {finalized.path} ({finalized.path.stat().st_size} bytes)")
