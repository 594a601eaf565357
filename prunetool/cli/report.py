"""``prunetool report``: how sparse a checkpoint is, for people, programs and CI."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypedDict

import typer

from prunetool.cli import macs
from prunetool.cli.boundary import REQUIREMENT_NOT_MET, even_unread
from prunetool.cli.helping import Command
from prunetool.cli.options import Exclude, Include, Quiet, Trust, compute_in_one_thread
from prunetool.cli.output import Output
from prunetool.cli.report_formats import Format, check_depth, show
from prunetool.cli.report_pictures import (
    Drawn,
    check_pictures,
    check_plot,
    html_page,
    terminal_plots,
)
from prunetool.cli.working import working

if TYPE_CHECKING:
    from prunetool.reports.compare import Comparison
    from prunetool.reports.requirements.gates import Failure
    from prunetool.reports.statistics import Report


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
        Format,
        typer.Option(
            "--format",
            help="For people; for programs (json, csv); for a pull request; for a step of "
            "GitHub Actions: annotations, and its summary; or html, a page of charts.",
        ),
    ] = Format.TABLE,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FILE", help="Write the report to a file (- for stdout)."
        ),
    ] = None,
    depth: Annotated[
        int | None,
        typer.Option(metavar="N", help="Add layers up by modules, N names deep: 1 for encoder."),
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
            "'pattern==2:4', with two paths 'regrown==0'. Repeatable.",
        ),
    ] = None,
    mask: Annotated[
        list[str] | None,
        typer.Option(
            metavar="GLOB",
            help="Layers whose masks the page pictures; the largest few by default. Repeatable.",
        ),
    ] = None,
    plot: Annotated[
        bool,
        typer.Option("--plot", help="Draw the schedule and the weights below the table, as text."),
    ] = False,
    model: macs.Model = None,
    model_arg: macs.ModelArg = None,
    data: macs.Data = None,
    data_arg: macs.DataArg = None,
    input_shape: macs.InputShape = None,
    app_dir: macs.AppDir = ".",
    trust: Trust = False,
    quiet: Quiet = False,
) -> None:
    """Show how sparse a checkpoint is, layer by layer, or compare two; check requirements in CI.

    Nothing in the file is run. --include and --exclude choose what is counted, totals included.
    """
    from prunetool.reports.requirements.gates import failures
    from prunetool.reports.requirements.requirements import parse_requirement

    output = None if output == Path("-") else output
    check_depth(depth, form=form, compared=other is not None)
    check_pictures(html=form is Format.HTML, two=other is not None, masks=mask)
    check_plot(plot, table=form is Format.TABLE, two=other is not None, file=output)
    requirements = [parse_requirement(text) for text in require or ()]
    choice: _Choice = {"include": include or (), "exclude": exclude or (), "trust": trust}
    screen = Output(quiet=quiet)
    compute_in_one_thread()
    wanted = macs.Wanted(model, model_arg, data, data_arg, input_shape, app_dir)
    wanted.check()
    if other is not None:
        wanted.refuse_two()
        compared = _comparison(path, other, choice, sort, screen)
        unmet = failures(compared, requirements)
        with even_unread(failed=bool(unmet)):
            show(compared, form, depth=depth, file=output, output=screen, failures=unmet)
        _exit_on(unmet)
        return
    report = _report(path, choice, sort, wanted, screen)
    unmet = failures(report, requirements)
    drawn = Drawn(path, include or (), exclude or (), trust)
    page = html_page(drawn, report, mask, screen) if form is Format.HTML else None
    with even_unread(failed=bool(unmet)):
        show(report, form, depth=depth, file=output, output=screen, failures=unmet, page=page)
        if plot:
            screen.line("\n" + terminal_plots(drawn, report, screen))
    _exit_on(unmet)


class _Choice(TypedDict):
    include: Sequence[str]
    exclude: Sequence[str]
    trust: bool


def _report(
    path: Path, choice: _Choice, sort: Sort | None, wanted: macs.Wanted, screen: Output
) -> Report:
    from prunetool.reports.counting.counting import choose_parameters
    from prunetool.reports.counting.effective import with_macs
    from prunetool.reports.ordering import Order, sort_layers

    chosen = choose_parameters(path, **choice)
    screen.note_unread(Path(chosen.source.path), chosen.unread)
    counts = wanted.count(Path(chosen.source.path), screen) if wanted else None
    name = Path(chosen.source.path).name
    with working(screen, f"reading {name}", chosen.nbytes) as advance:
        report = chosen.report(advance)
    if counts is not None:
        report = with_macs(report, counts)
    return report if sort is None else sort_layers(report, Order(sort))


def _comparison(
    old: Path, new: Path, choice: _Choice, sort: Sort | None, screen: Output
) -> Comparison:
    from prunetool.reports.counting.pairs import choose_pair
    from prunetool.reports.ordering import Order, sort_comparison

    pair = choose_pair(old, new, **choice)
    for it in (pair.first, pair.second):
        screen.note_unread(Path(it.source.path), it.unread)
    names = " and ".join(Path(it.source.path).name for it in (pair.first, pair.second))
    with working(screen, f"reading {names}", pair.nbytes) as advance:
        comparison = pair.comparison(advance)
    for note in comparison.notes():
        screen.note(note)
    return comparison if sort is None else sort_comparison(comparison, Order(sort))


def _exit_on(unmet: list[Failure]) -> None:
    for failure in unmet:
        typer.echo(failure, err=True)
    if unmet:
        raise typer.Exit(REQUIREMENT_NOT_MET)
