"""Reports as files."""

from __future__ import annotations

from collections.abc import Sequence
from io import StringIO
from pathlib import Path

from rich.console import Console, RenderableType

from prunetool.checkpoints.writing import NewFile, check_target, write_atomically
from prunetool.errors import OutputError

_UNLIMITED_WIDTH = 100_000


def write_report(report: RenderableType, target: Path, *, inputs: Sequence[Path]) -> None:
    """Write a rendered report as plain text, in place of an older one.

    Raises:
        OutputError: if ``target`` cannot be written, or is one of ``inputs``.
    """
    for source in inputs:
        check_target(target, source=source, force=True)
    content = plain_text(report).encode()
    write_atomically(NewFile(target, lambda file: file.write(content)))


def append_text(text: str, target: Path, *, what: str, inputs: Sequence[Path]) -> None:
    """Append to a file that others append to.

    Args:
        what: names the file.

    Raises:
        OutputError: if that is not possible, or it is one of ``inputs``.
    """
    try:
        if any(target.exists() and target.samefile(it) for it in inputs):
            raise OutputError(f"{what}: {target}: is what is reported on; name a file of its own")
        with target.open("a", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise OutputError(f"{what}: {target}: cannot be written: {error.strerror}") from error


def plain_text(report: RenderableType) -> str:
    """Render without colours and without folding anything; ends with a newline."""
    if isinstance(report, str):
        return report.rstrip("\n") + "\n"
    text = StringIO()
    Console(file=text, width=_UNLIMITED_WIDTH, no_color=True, force_terminal=False).print(report)
    return text.getvalue()
