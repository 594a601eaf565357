"""The pictures of ``prunetool report``: what they are drawn from, read with a sign of progress."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from prunetool.cli.output import Output
from prunetool.cli.working import working
from prunetool.errors import OptionError

if TYPE_CHECKING:
    from prunetool.reports.pictures.subject import Subject
    from prunetool.reports.statistics import Report

_IN_A_PIPE = 80


def check_pictures(*, html: bool, two: bool, masks: Sequence[str] | None) -> None:
    """Refuse what does not go with a page, or what a page does not go with.

    Raises:
        OptionError: naming it.
    """
    if html and two:
        raise OptionError("--format html: goes with one checkpoint, got two; draw each by itself")
    if masks and not html:
        raise OptionError("--mask: chooses the pictures of a page; add --format html -o FILE.html")


def check_plot(plot: bool, *, table: bool, two: bool, file: Path | None) -> None:
    """Refuse ``--plot`` where it would spoil what programs read.

    Raises:
        OptionError: naming what it does not go with.
    """
    if plot and not table:
        raise OptionError("--plot: draws below a table; leave out --format")
    if plot and file is not None:
        raise OptionError("--plot: draws for the terminal; leave out -o, or take --format html")
    if plot and two:
        raise OptionError("--plot: goes with one checkpoint, got two; draw each by itself")


@dataclass(frozen=True)
class Drawn:
    """What is drawn: a checkpoint as the user gave it, and which of its tensors.

    Attributes:
        path, include, exclude, trust: as for ``report_on``.
    """

    path: Path
    include: Sequence[str] = ()
    exclude: Sequence[str] = ()
    trust: bool = False


def html_page(drawn: Drawn, report: Report, masks: Sequence[str] | None, screen: Output) -> str:
    """Draw the report as a page; ``masks`` and errors as for ``subject.look``."""
    from prunetool.reports.pictures.page import render_page

    subject = _subject(drawn, report, masks, screen)
    _note_missing(subject, screen)
    return render_page(subject)


def terminal_plots(drawn: Drawn, report: Report, screen: Output) -> str:
    """Draw the schedule and the weights as text, as wide as the terminal."""
    from prunetool.reports.pictures.terminal import plots, signs_for

    subject = _subject(drawn, report, (), screen)
    if subject.run is None:
        screen.note(f"{drawn.path}: lies in no run folder; there is no schedule to draw")
    _note_missing(subject, screen)
    wide = shutil.get_terminal_size().columns if screen.results.is_terminal else _IN_A_PIPE
    return plots(subject, width=wide, signs=signs_for(sys.stdout.encoding))


def _note_missing(subject: Subject, screen: Output) -> None:
    if subject.run is not None:
        for sentence in subject.run.missing.values():
            screen.note(f"{subject.run.folder}: {sentence}")


def _subject(drawn: Drawn, report: Report, masks: Sequence[str] | None, screen: Output) -> Subject:
    from prunetool.reports.counting.counting import choose_parameters
    from prunetool.reports.pictures.subject import look

    chosen = choose_parameters(
        drawn.path, include=drawn.include, exclude=drawn.exclude, trust=drawn.trust
    )
    name = Path(chosen.source.path).name
    with working(screen, f"drawing {name}", chosen.nbytes) as advance:
        return look(chosen, report, drawn.path, masks=masks, advance=advance)
