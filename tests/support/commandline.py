"""Running a command as a user does, in this process."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from prunetool.cli.app import app
from prunetool.cli.boundary import run


@dataclass(frozen=True)
class Result:
    code: int
    out: str
    err: str


def invoke(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: Any
) -> Result:
    """Run ``prunetool ARGUMENTS`` and return its exit code and what it printed."""
    monkeypatch.setattr("sys.argv", ["prunetool", *(str(it) for it in arguments)])
    capsys.readouterr()
    code = run(app)
    printed = capsys.readouterr()
    return Result(code, printed.out, printed.err)
