"""What GitHub Actions reads on stdout: annotations, and text in which it reads nothing."""

from __future__ import annotations

import secrets
from collections.abc import Sequence

_MOST = 10  # annotations of a step that GitHub shows


def error_commands(failures: Sequence[str], *, title: str = "prunetool report") -> list[str]:
    """Give a command for each failure, at most ten; then one that counts the others."""
    shown = [_command(it, title) for it in failures[:_MOST]]
    others = len(failures) - len(shown)
    if others:
        what = "requirement is" if others == 1 else "requirements are"
        shown.append(_command(f"{others} more {what} not met", title))
    return shown


def _command(message: str, title: str) -> str:
    prop = _escaped(title).replace(":", "%3A").replace(",", "%2C")
    return f"::error title={prop}::{_escaped(message)}"


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def quoted(text: str) -> str:
    """Have GitHub take no line of ``text`` for a command: a layer may be called ``::error::``."""
    token = secrets.token_hex(16)
    return f"::stop-commands::{token}\n{text.rstrip()}\n::{token}::"
