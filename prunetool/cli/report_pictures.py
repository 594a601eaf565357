"""The pictures of ``prunetool report``: what they are drawn from, read with a sign of progress."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from prunetool.cli.output import Output
from prunetool.cli.working import working
from prunetool.errors import OptionError

if TYPE_CHECKING:
    from prunetool.reports.counting.counting import Chosen
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


def check_plot(plot: bool, *, table: bool, two: bool) -> None:
    """Refuse ``--plot`` where it would spoil what programs read.

    Raises:
        OptionError: naming what it does not go with.
    """
    if plot and not table:
        raise OptionError("--plot: draws below a table; leave out --format")
    if plot and two:
        raise OptionError("--plot: goes with one checkpoint, got two; draw each by itself")


def html_page(
    chosen: Chosen, report: Report, path: Path, masks: Sequence[str] | None, screen: Output
) -> str:
    """Draw the report as a page; arguments and errors as ``subject.look``."""
    from prunetool.reports.pictures.page import render_page
    from prunetool.reports.pictures.subject import look

    with working(screen, f"drawing {path.name}", chosen.nbytes) as advance:
        return render_page(look(chosen, report, path, masks=masks, advance=advance))


def terminal_plots(chosen: Chosen, report: Report, path: Path, screen: Output) -> str:
    """Draw the schedule and the weights as text, as wide as the terminal."""
    from prunetool.reports.pictures.subject import look
    from prunetool.reports.pictures.terminal import plots, signs_for

    with working(screen, f"drawing {path.name}", chosen.nbytes) as advance:
        subject = look(chosen, report, path, masks=(), advance=advance)
    if subject.run is None:
        screen.note(f"{path}: lies in no run folder; there is no schedule to draw")
    wide = shutil.get_terminal_size().columns if screen.results.is_terminal else _IN_A_PIPE
    return plots(subject, width=wide, signs=signs_for(sys.stdout.encoding))
