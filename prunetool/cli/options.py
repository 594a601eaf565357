"""Options that several commands share: one spelling and one meaning each."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

CheckpointArgument = Annotated[
    Path,
    typer.Argument(
        metavar="CKPT",
        help="A checkpoint file, a sharded checkpoint folder, or a run folder of prunetool.",
    ),
]
Include = Annotated[
    list[str] | None,
    typer.Option(
        metavar="GLOB", help="Only tensors whose name matches, such as 'encoder.*'. Repeatable."
    ),
]
Exclude = Annotated[
    list[str] | None,
    typer.Option(metavar="GLOB", help="No tensors whose name matches. Repeatable."),
]
Force = Annotated[
    bool, typer.Option("--force", help="Replace the output if it is there; never the input.")
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print results only, no notes.")]
