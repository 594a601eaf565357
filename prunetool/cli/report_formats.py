"""``--format`` of ``prunetool report``: what each is, and who renders it."""

from __future__ import annotations

import enum
import os
from pathlib import Path
from typing import TYPE_CHECKING

from prunetool.errors import OptionError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import RenderableType

    from prunetool.cli.output import Output
    from prunetool.reports.compare import Comparison
    from prunetool.reports.statistics import Report


_OF_A_RUN = ("config.yaml", "metrics.csv", "events.csv", "histograms.json", "report.json")


class Format(enum.StrEnum):
    """How to print a report."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"
    MARKDOWN = "markdown"
    GITHUB = "github"
    HTML = "html"


def render(
    subject: Report | Comparison, form: Format, *, depth: int | None, unmet: Sequence[object] = ()
) -> RenderableType:
    """Render a report or a comparison; text, but for the table, which depends on where it goes.

    ``unmet`` are the requirements that are not met, which Markdown shows.
    """
    match form:
        case Format.TABLE | Format.GITHUB:
            return _table(subject, depth)
        case Format.JSON:
            return _json(subject, depth)
        case Format.CSV:
            return _csv(subject, depth)
        case Format.MARKDOWN:
            return _markdown(subject, depth, unmet)
        case Format.HTML:  # drawn from more than the report: see report_pictures.py
            raise AssertionError("a page is given to show()")
    raise AssertionError(form)


def show(
    subject: Report | Comparison,
    form: Format,
    *,
    depth: int | None,
    file: Path | None,
    output: Output,
    failures: Sequence[object],
    page: str | None = None,
) -> None:
    """Print a report, or write it to ``file``; for GitHub, its summary and annotations too.

    ``page`` is what it is as HTML, where that is asked for.
    """
    rendered = page or render(subject, form, depth=depth, unmet=failures)
    if file is not None:
        from prunetool.reports.rendering.files import write_report

        write_report(rendered, file, inputs=_not_to_be_replaced(subject))
        output.note(f"wrote {file}")
    elif form is Format.GITHUB:
        from prunetool.reports.rendering.files import plain_text
        from prunetool.reports.rendering.github import quoted

        output.line(quoted(plain_text(rendered)))
    elif isinstance(rendered, str):
        output.line(rendered.rstrip("\n"))
    else:
        output.result(rendered)
    if form is Format.GITHUB:
        _annotate(subject, depth, output, failures)


def _annotate(
    subject: Report | Comparison, depth: int | None, output: Output, failures: Sequence[object]
) -> None:
    from prunetool.reports.rendering.files import append_text
    from prunetool.reports.rendering.github import error_commands

    for line in error_commands([str(it) for it in failures]):
        output.line(line)
    summary = os.environ.get("GITHUB_STEP_SUMMARY")
    if summary:
        append_text(
            _markdown(subject, depth, failures),
            Path(summary),
            what="GITHUB_STEP_SUMMARY",
            inputs=_not_to_be_replaced(subject),
        )


def check_depth(depth: int | None, *, form: Format, compared: bool) -> None:
    """Refuse ``--depth`` where it means nothing.

    Raises:
        OptionError: with what to do instead.
    """
    if depth is not None and depth < 1:
        raise OptionError(f"--depth {depth}: expected at least 1, the outermost modules")
    if depth is not None and compared:
        raise OptionError("--depth: goes with one checkpoint, got two; report on each by itself")
    if depth is not None and form is Format.HTML:
        raise OptionError("--depth: adds up in tables, not on a page; leave one of the two out")


def _inputs(subject: Report | Comparison) -> list[Path]:
    from prunetool.reports.compare import Comparison

    reports = subject.reports if isinstance(subject, Comparison) else (subject,)
    return [Path(it.source.path) for it in reports]


def _not_to_be_replaced(subject: Report | Comparison) -> list[Path]:
    """What was read, and what else the runs hold that it is in."""
    inputs = _inputs(subject)
    runs = (it.parent.parent for it in inputs if it.parent.name == "checkpoints")
    return [*inputs, *(file for run in runs for name in _OF_A_RUN if (file := run / name).exists())]


def _table(subject: Report | Comparison, depth: int | None) -> RenderableType:
    from prunetool.reports.compare import Comparison
    from prunetool.reports.rendering.table import render_comparison, render_table

    if isinstance(subject, Comparison):
        return render_comparison(subject)
    return render_table(subject, depth=depth)


def _json(subject: Report | Comparison, depth: int | None) -> str:
    from prunetool.reports.compare import Comparison
    from prunetool.reports.rendering.jsonform import comparison_to_json, to_json

    if isinstance(subject, Comparison):
        return comparison_to_json(subject)
    return to_json(subject, depth=depth)


def _csv(subject: Report | Comparison, depth: int | None) -> str:
    from prunetool.reports.compare import Comparison
    from prunetool.reports.rendering.csvform import comparison_to_csv, to_csv

    if isinstance(subject, Comparison):
        return comparison_to_csv(subject)
    return to_csv(subject, depth=depth)


def _markdown(subject: Report | Comparison, depth: int | None, unmet: Sequence[object]) -> str:
    from prunetool.reports.compare import Comparison
    from prunetool.reports.rendering.grids import comparison_grid, report_grid
    from prunetool.reports.rendering.markdown import to_markdown

    if isinstance(subject, Comparison):
        grid = comparison_grid(subject)
    else:
        grid = report_grid(subject, depth=depth)
    title = " → ".join(map(_title, _inputs(subject)))
    return to_markdown(grid, title=title, unmet=[str(it) for it in unmet])


def _title(path: Path) -> str:
    """Name a checkpoint; all runs have a last.ckpt, so with that of its run."""
    run = path.resolve().parents[1] if path.parent.name == "checkpoints" else None
    return path.name if run is None else f"{run.name}/{path.name}"
