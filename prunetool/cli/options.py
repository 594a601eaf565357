"""Options that several commands share: one spelling and one meaning each."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from prunetool.cli.completion import parameter_names

CheckpointArgument = Annotated[
    Path,
    typer.Argument(
        metavar="CKPT",
        help="A file of torch or safetensors, or a folder of them: sharded, of Hugging Face, or "
        "a run of prunetool.",
    ),
]
Include = Annotated[
    list[str] | None,
    typer.Option(
        metavar="GLOB",
        help="Only tensors whose name matches, such as 'encoder.*'. Repeatable.",
        autocompletion=parameter_names,
    ),
]
Exclude = Annotated[
    list[str] | None,
    typer.Option(
        metavar="GLOB",
        help="No tensors whose name matches. Repeatable.",
        autocompletion=parameter_names,
    ),
]
Force = Annotated[
    bool, typer.Option("--force", help="Replace the output if it is there; never the input.")
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print results only, no notes.")]
Trust = Annotated[
    bool,
    typer.Option(
        "--trust",
        help="Unpickle torch files for real, which runs the code that they name, and without "
        "limits. Only for files that you trust as your own.",
    ),
]


def compute_in_one_thread() -> None:
    """Keep torch from threads of its own: pieces of tensors are too small to be shared.

    Waiting for each other, they take longer, and far longer beside other work.
    """
    import torch

    torch.set_num_threads(1)
