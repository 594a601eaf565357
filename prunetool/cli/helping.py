"""Commands whose ``--help`` starts at once: plain text in panels, without rich, without pydantic.

Typer's own rendering imports a Markdown parser and a syntax highlighter, which takes as long as
the rest of the start together.
"""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

_ARGUMENTS, _OPTIONS = "Arguments", "Options"


class Command(TyperCommand):
    """A command that lists its options by panel."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write a section for the arguments, one for plain options, and one for each panel."""
        _write_panels(self, ctx, formatter)


class Group(TyperGroup):
    """The commands, with the options before them."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the options before the command, as Typer does, but without pydantic."""
        if not args and not ctx.resilient_parsing:
            typer.echo(ctx.get_help())  # click would make it the text of the error
            ctx.fail("no command given; choose one of the above")
        for param in self.get_params(ctx):
            # Typer imports pydantic to convert what is no bool: its own flags for completion are
            # None when they are not given.
            if getattr(param, "is_flag", False) and param.default is None:
                param.default = False
        return super().parse_args(ctx, args)

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the options, then the commands with the first paragraph of their help."""
        _write_panels(self, ctx, formatter)
        commands = [self.get_command(ctx, name) for name in self.list_commands(ctx)]
        rows = [
            (it.name or "", " ".join((it.help or "").split("\n\n")[0].split()))
            for it in commands
            if it is not None and not it.hidden
        ]
        _write_section(formatter, "Commands", rows)


def _write_panels(command: Any, ctx: Any, formatter: Any) -> None:
    panels: dict[str, list[tuple[str, str]]] = {_ARGUMENTS: [], _OPTIONS: []}
    for param in command.get_params(ctx):
        record = param.get_help_record(ctx)
        if record is None:
            continue
        default = _ARGUMENTS if param.param_type_name == "argument" else _OPTIONS
        panel = getattr(param, "rich_help_panel", None) or default
        panels.setdefault(panel, []).append(record)
    for name, rows in panels.items():
        _write_section(formatter, name, rows)


def _write_section(formatter: Any, name: str, rows: list[tuple[str, str]]) -> None:
    if not rows:
        return
    with formatter.section(typer.style(name, bold=True)):
        formatter.write_dl([(typer.style(term, fg="cyan"), text) for term, text in rows])
