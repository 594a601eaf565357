"""``prunetool report``: how sparse a checkpoint is, for people, programs and CI."""

from __future__ import annotations

import enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from prunetool.cli.boundary import REQUIREMENT_NOT_MET
from prunetool.cli.helping import Command
from prunetool.cli.options import Exclude, Include, Quiet, Trust, compute_in_one_thread
from prunetool.cli.output import Output
from prunetool.cli.working import working
from prunetool.errors import OptionError

if TYPE_CHECKING:
    from rich.table import Table

    from prunetool.reports.compare import Comparison
    from prunetool.reports.requirements.gates import Failure
    from prunetool.reports.statistics import Report


class Format(enum.StrEnum):
    """How to print a report."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"
    MARKDOWN = "markdown"
    GITHUB = "github"


class Sort(enum.StrEnum):
    """The order of the layers; as ``prunetool.reports.ordering.Order``, without its imports."""

    NAME = "name"
    SIZE = "size"
    SPARSITY = "sparsity"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        name="report",
        cls=Command,
        epilog="Example: prunetool report runs/demo-1 --require 'sparsity>=0.9'",
    )(_command)


def _command(
    path: Annotated[
        Path,
        typer.Argument(
            help="A checkpoint file, a sharded checkpoint folder, or a run folder of prunetool."
        ),
    ],
    other: Annotated[
        Path | None, typer.Argument(help="Another one, to compare the first with.")
    ] = None,
    form: Annotated[
        Format, typer.Option("--format", help="csv, markdown and github are not available yet.")
    ] = Format.TABLE,
    output: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the report to a file.")
    ] = None,
    include: Include = None,
    exclude: Exclude = None,
    sort: Annotated[
        Sort | None, typer.Option(help="The order of the layers; that of the file by default.")
    ] = None,
    require: Annotated[
        list[str] | None,
        typer.Option(
            metavar="EXPR",
            help="Exit with 1 unless it holds: 'sparsity>=0.9' (the pruned set), "
            "'encoder.*:sparsity>=50%', 'layer:sparsity<=0.99' (each layer of the pruned set), "
            "'pattern==2:4'. Repeatable.",
        ),
    ] = None,
    trust: Trust = False,
    quiet: Quiet = False,
) -> None:
    """Show how sparse a checkpoint is, layer by layer, or compare two; check requirements in CI.

    Nothing in the file is run. --include and --exclude choose what is counted, totals included.
    """
    from prunetool.reports.compare import compare
    from prunetool.reports.counting.counting import choose_parameters
    from prunetool.reports.ordering import Order, sort_layers
    from prunetool.reports.requirements.gates import failures
    from prunetool.reports.requirements.requirements import parse_requirement

    _require_available(form)
    requirements = [parse_requirement(text) for text in require or ()]
    if other is not None and requirements:
        raise OptionError("--require: goes with one checkpoint, got two; report on each by itself")

    to_read = [
        choose_parameters(it, include=include or (), exclude=exclude or (), trust=trust)
        for it in (path, other)
        if it is not None
    ]
    compute_in_one_thread()
    screen = Output(quiet=quiet)
    for it in to_read:
        screen.note_unread(Path(it.source.path), it.unread)
    names = " and ".join(Path(it.source.path).name for it in to_read)
    with working(screen, f"reading {names}", sum(it.nbytes for it in to_read)) as advance:
        reports = [it.report(advance) for it in to_read]
    if sort is not None:
        reports = [sort_layers(report, Order(sort)) for report in reports]
    unmet = failures(reports[0], requirements)
    to_show = reports[0] if len(reports) == 1 else compare(reports[0], reports[1])
    _show(to_show, form, output, screen, [Path(it.source.path) for it in reports])
    _exit_on(unmet)


def _require_available(form: Format) -> None:
    if form not in (Format.TABLE, Format.JSON):
        raise OptionError(f"--format {form}: not available yet; use table or json")


def _show(
    subject: Report | Comparison,
    form: Format,
    file: Path | None,
    output: Output,
    inputs: list[Path],
) -> None:
    rendered = _table(subject) if form is Format.TABLE else _json(subject)
    if file is not None:
        from prunetool.reports.rendering.files import write_report

        write_report(rendered, file, inputs=inputs)
        output.note(f"wrote {file}")
    elif isinstance(rendered, str):
        output.line(rendered)
    else:
        output.result(rendered)


def _table(subject: Report | Comparison) -> Table:
    from prunetool.reports.compare import Comparison
    from prunetool.reports.rendering.table import render_comparison, render_table

    return render_comparison(subject) if isinstance(subject, Comparison) else render_table(subject)


def _json(subject: Report | Comparison) -> str:
    from prunetool.reports.compare import Comparison
    from prunetool.reports.rendering.jsonform import comparison_to_json, to_json

    return comparison_to_json(subject) if isinstance(subject, Comparison) else to_json(subject)


def _exit_on(unmet: list[Failure]) -> None:
    for failure in unmet:
        typer.echo(failure, err=True)
    if unmet:
        raise typer.Exit(REQUIREMENT_NOT_MET)
