from __future__ import annotations

import os
import subprocess
import sys

import pytest
import saved
import typer

from prunetool.cli.boundary import run
from prunetool.errors import OptionError, UserCodeError


def exit_code(monkeypatch, command):
    app = typer.Typer()
    app.command()(command)
    monkeypatch.setattr("sys.argv", ["prunetool"])
    return run(app)


def broken():
    raise ValueError("theirs")


def fails_in_the_users_code():
    try:
        broken()
    except ValueError as error:
        raise UserCodeError("importing models.py") from error


def bad_option():
    raise OptionError("--x: wrong\nin two lines")


def interrupted():
    raise KeyboardInterrupt


def not_met():
    raise typer.Exit(1)


@pytest.mark.parametrize(
    ("command", "code", "message"),
    [
        (lambda: None, 0, ""),
        (not_met, 1, ""),
        (bad_option, 2, "error: --x: wrong in two lines\n"),
        (interrupted, 130, "interrupted\n"),
    ],
)
def test_exceptions_become_exit_codes(command, code, message, monkeypatch, capsys):
    assert exit_code(monkeypatch, command) == code
    assert capsys.readouterr().err == message


def test_the_users_own_error_keeps_its_traceback(monkeypatch, capsys):
    assert exit_code(monkeypatch, fails_in_the_users_code) == 2

    shown = capsys.readouterr().err
    assert "in broken\n" in shown
    assert "ValueError: theirs\n" in shown
    assert shown.endswith(
        "error: your code raised ValueError while importing models.py (traceback above)\n"
    )


def test_an_unknown_error_is_not_hidden(monkeypatch):
    with pytest.raises(ValueError, match="theirs"):
        exit_code(monkeypatch, broken)


def test_a_traceback_on_request(monkeypatch, capsys):
    monkeypatch.setenv("PRUNETOOL_TRACEBACK", "1")

    assert exit_code(monkeypatch, bad_option) == 2
    assert "in bad_option\n" in capsys.readouterr().err


def command_line(*arguments, **environment):
    return subprocess.run(
        [sys.executable, "-m", "prunetool", *map(str, arguments)],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
    )


@pytest.mark.parametrize(
    "environment", [{}, {"NO_COLOR": "1"}, {"COLUMNS": "40"}, {"FORCE_COLOR": "1"}]
)
def test_plain_text_in_a_pipe(environment, tmp_path):
    path = saved.save_masked(tmp_path / "a.ckpt")

    done = command_line("report", path, **environment)

    assert (done.returncode, done.stderr) == (0, "")
    assert "\x1b" not in done.stdout
    assert "float32" in done.stdout
    assert "blocks[0].weight 2x2 4 0 0.00 % -" in " ".join(done.stdout.split())


@pytest.mark.parametrize("form", ["table", "html"])
def test_a_gate_fails_whoever_reads_stdout(form, tmp_path):
    path = saved.save_masked(tmp_path / "a.ckpt")
    command = f"{sys.executable} -m prunetool report {path} --require 'sparsity>=0.99'"

    done = subprocess.run(
        f'{command} --format {form} | true; echo "${{PIPESTATUS[0]}}"',
        shell=True,
        executable="/bin/bash",
        capture_output=True,
        text=True,
    )

    assert done.stdout == "1\n"
    assert done.stderr.startswith("requirement not met: sparsity>=0.99: ")


@pytest.mark.parametrize(
    ("arguments", "code"), [("", 0), ("-o {0}/out.txt", 0), ("--require 'sparsity>=0.99'", 1)]
)
def test_a_closed_stdout_is_nowhere(arguments, code, tmp_path):
    path = saved.save_masked(tmp_path / "a.ckpt")
    done = subprocess.run(
        f"{sys.executable} -m prunetool report {path} {arguments.format(tmp_path)} >&-",
        shell=True,
        capture_output=True,
        text=True,
    )

    assert (done.returncode, "Traceback" in done.stderr) == (code, False), done.stderr


def test_a_reader_that_leaves_early_is_no_error(tmp_path):
    path = saved.save_masked(tmp_path / "a.ckpt")

    done = subprocess.run(
        f"{sys.executable} -m prunetool report {path} --format json | true; "
        'echo "${PIPESTATUS[0]}"',
        shell=True,
        executable="/bin/bash",
        capture_output=True,
        text=True,
    )

    assert (done.stdout, done.stderr) == ("0\n", "")
