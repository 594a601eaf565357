"""The one place where exceptions become exit codes.

===  ==========================================================================
0    done
1    a requirement is not met
2    bad usage or bad input: one line, ``error: ...``; or the user's own code
     raised: its traceback, then one line
130  Ctrl-C
143  SIGTERM
===  ==========================================================================

Of several processes of one run only the first to fail says why.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

from prunetool.cli.interrupts import INTERRUPTED
from prunetool.errors import PrunetoolError, UserCodeError
from prunetool.training.processes.first_to_fail import is_first_to_fail
from prunetool.training.processes.ranks import is_main, name_of_this

if TYPE_CHECKING:
    from types import TracebackType

# Typer carries its own copy of click since 0.2x and depended on the real one before: take the
# class from what it exports instead of importing either.
_ClickException: type[Exception] = typer.BadParameter.__mro__[2]

REQUIREMENT_NOT_MET = 1
BAD_INPUT = 2
TERMINATED = 143


def run(app: typer.Typer) -> int:
    """Run ``app`` on ``sys.argv`` and return the exit code; every known error becomes one line."""
    _plug_what_is_closed()
    try:
        result = app(standalone_mode=False)
        sys.stdout.flush()
    except typer.Exit as request:
        return _exit_code(request.exit_code)
    except (KeyboardInterrupt, typer.Abort):
        return _exit_code(INTERRUPTED)
    except SystemExit as request:
        if request.code == TERMINATED:
            _say("terminated")
            return TERMINATED
        # Typer turns a BrokenPipeError into an exit with 1, which here means something else.
        if not isinstance(request.__context__, BrokenPipeError):
            raise
        _discard_stdout()  # the reader of stdout left: `| head`
        return 0
    except UserCodeError as error:
        if is_first_to_fail():
            _print_user_traceback(error)
        return BAD_INPUT
    except (PrunetoolError, _ClickException) as error:
        if not is_first_to_fail():
            return BAD_INPUT
        if _traceback_wanted():
            traceback.print_exc()
        # Without any argument, click prints the help and raises an error of no words.
        _say(_one_line(error) if str(error) else "error: no command given; choose one of the above")
        return BAD_INPUT
    except OSError as error:
        # Files are dealt with where they are written: what is left is a full or closed stdout.
        if _traceback_wanted():
            traceback.print_exc()
        _discard_stdout()
        _say(f"error: the output cannot be written: {error.strerror or error}; free some space")
        return BAD_INPUT
    return _exit_code(result) if isinstance(result, int) else 0


def _plug_what_is_closed() -> None:
    """Lead a stdout or stderr that is closed (``>&-``, as of some services) to nowhere."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115


@contextmanager
def even_unread(*, failed: bool) -> Iterator[None]:
    """Let no reader of stdout that leaves (``| head``) turn what has failed into success."""
    try:
        yield
    except BrokenPipeError:
        if not failed:
            raise
        _discard_stdout()


def _discard_stdout() -> None:
    """Keep Python's own flush at exit from complaining about what cannot be written."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _exit_code(code: int) -> int:
    """Say that an interrupt was one: Typer makes a plain exit of it."""
    if code == INTERRUPTED and is_main():
        _say("interrupted")
    return code


def _one_line(error: Exception) -> str:
    format_message = getattr(error, "format_message", None)
    message = format_message() if format_message else str(error)
    context = getattr(error, "ctx", None)
    if context is not None:
        message = message.replace(": Value error, ", ": ")  # of the library that Typer asks
        message = f"{message.rstrip('.')} (see '{context.command_path} --help')"
    return "error: " + "".join(map(_escaped, " ".join(message.split())))


def _escaped(character: str) -> str:
    """Show what would change the terminal, where a message quotes a file from a stranger."""
    return character if character.isprintable() else ascii(character)[1:-1]


def _print_user_traceback(error: UserCodeError) -> None:
    cause = error.__cause__ or error
    traceback.print_exception(type(cause), cause, _without_our_frames(cause.__traceback__))
    where = "" if is_main() else f" in {name_of_this()}"  # it may be the only one
    _say(
        f"error: your code raised {type(cause).__name__} while {error.doing}{where} "
        f"(traceback above)"
    )


def _without_our_frames(tb: TracebackType | None) -> TracebackType | None:
    """Drop prunetool's own leading frames: the user's traceback should begin in the user's code.

    A SyntaxError has none of the user's frames; its message names the line.
    """
    here = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    start = tb
    while start is not None and not _traceback_wanted():
        filename = start.tb_frame.f_code.co_filename
        if not filename.startswith((here, "<frozen importlib")) and "importlib" not in filename:
            return start
        start = start.tb_next
    return tb if _traceback_wanted() else None


def _traceback_wanted() -> bool:
    return os.environ.get("PRUNETOOL_TRACEBACK") == "1"


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
