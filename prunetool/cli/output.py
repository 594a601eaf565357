"""The one object that writes to the terminal: results to stdout, everything else to stderr."""

from __future__ import annotations

import codecs
import contextlib
import json
import sys
from io import TextIOWrapper
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from rich.console import Console, RenderableType

# Wide enough that no table is ever folded or cut where it goes to a pipe or a file.
_UNLIMITED_WIDTH = 100_000
_NAMES_SHOWN = 5
_ESCAPES = "prunetool.escapes"


class Output:
    """Where a command writes.

    Args:
        quiet: keep notes (progress, what was written where) to ourselves; results and errors stay.

    Markup and emoji codes are off: layer names are printed as they are.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self.quiet = quiet
        self.results = _console(sys.stdout)
        self.notes = _console(sys.stderr)

    def result(self, *renderables: RenderableType) -> None:
        """Print a result to stdout: text, or a rich table; without trailing blanks in a pipe."""
        if self.results.is_terminal:
            self.results.print(*renderables)
            return
        with self.results.capture() as captured:
            self.results.print(*renderables, soft_wrap=True)
        for line in captured.get().splitlines():
            self.line(line.rstrip())

    def line(self, text: str) -> None:
        """Print one line of a result to stdout, never wrapped or coloured: scripts read it."""
        print(text, file=sys.stdout, flush=True)

    def note(self, text: str) -> None:
        """Say what is being done, on stderr."""
        if not self.quiet:
            self.say(text)

    def note_unread(self, path: Path, names: Sequence[str]) -> None:
        """Say which of the weights are left out, since only their own classes can read them."""
        if names:
            shown = ", ".join(names[:_NAMES_SHOWN]) + (", ..." if names[_NAMES_SHOWN:] else "")
            self.note(
                f"{path}: left out {len(names)} that are no plain tensors: {shown}; --trust reads "
                "what your own code can build"
            )

    def say(self, text: str) -> None:
        """Say what has to be known even by those who asked for quiet, on stderr."""
        print(text, file=sys.stderr, flush=True)


def _escaped(error: UnicodeError) -> tuple[str, int]:
    """Give what cannot be encoded as escapes that are JSON's too."""
    assert isinstance(error, UnicodeEncodeError)
    return json.dumps(error.object[error.start : error.end])[1:-1], error.end


def _console(stream: TextIO) -> Console:
    from rich.console import Console

    if isinstance(stream, TextIOWrapper):
        # A name that the terminal's encoding does not have is printed as escapes.
        codecs.register_error(_ESCAPES, _escaped)
        with contextlib.suppress(OSError):  # a daemon's, put on another file than it was made for
            stream.reconfigure(errors=_ESCAPES)
    plain = not stream.isatty()  # whatever FORCE_COLOR says
    return Console(
        file=stream,
        markup=False,
        emoji=False,
        highlight=False,
        force_terminal=False if plain else None,
        width=_UNLIMITED_WIDTH if plain else None,
        no_color=True if plain else None,
    )
