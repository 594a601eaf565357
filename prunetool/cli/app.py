"""The application: its commands, and the options that stand before them."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from prunetool._version import __version__
from prunetool.cli import export, finalize, report, train
from prunetool.cli.boundary import run
from prunetool.cli.helping import Group

app = typer.Typer(
    name="prunetool",
    cls=Group,
    rich_markup_mode=None,  # helping.py says why
    help="Train, report, finalize and export sparse PyTorch Lightning models.",
    epilog="Example: prunetool train prunetool.demos:DigitsClassifier --sparsity 0.9",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"prunetool {__version__}")
        raise typer.Exit


@app.callback()
def _before_any_command(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    """Options before the command; each acts in its own callback."""


train.register(app)
report.register(app)
finalize.register(app)
export.register(app)


def main() -> None:
    """Run the command line and exit with its code."""
    sys.exit(run(app))
