"""The README is run, word for word: every console block's commands, and what they print.

``console`` blocks hold commands after ``$`` and their output (of a pipe, not of a terminal);
``python`` and ``yaml`` blocks are files if they begin with ``# file: NAME``, else programs. All run
in order in one folder. A line of three dots stands for any lines. Training rounds differently on
other processors: numbers may differ in value, except in the lines that prunetool promises to the
element. Words may not.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
import warm
import yaml

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
EXACT = re.compile(r"^(sparsity|pruned set|whole model|all selected|error)")


def blocks() -> list[tuple[str, str]]:
    return [(match[1], match[2]) for match in BLOCK.finditer(README)]


def commands(block: str) -> list[tuple[str, list[str]]]:
    """Split a console block into commands and the lines that each prints."""
    found: list[tuple[str, list[str]]] = []
    for line in block.splitlines():
        if line.startswith("$ "):
            found.append((line[2:], []))
        else:
            found[-1][1].append(line.rstrip())
    return found


def environment() -> dict[str, str]:
    scripts = str(Path(sys.executable).parent)
    return {**os.environ, "PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}"}


def run(command: str | list[str], folder: Path) -> tuple[int, str]:
    """Run a command as a shell does; give its exit code and what it printed, stderr too."""
    if isinstance(command, str) and (words := words_for_prunetool(command)):
        return run_forked(words, folder)
    done = subprocess.run(
        command,
        shell=isinstance(command, str),
        cwd=folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
        check=False,
    )
    return done.returncode, done.stdout


def words_for_prunetool(command: str) -> list[str]:
    """The arguments of a plain ``prunetool`` command; none of one that needs a shell or ranks."""
    words = shlex.split(command)
    needs_more = re.search(r"[|<>;&$]", command) or "--devices" in words
    return words[1:] if words[0] == "prunetool" and not needs_more else []


def run_forked(words: list[str], folder: Path) -> tuple[int, str]:
    """Run ``prunetool`` without waiting for the imports of torch and Lightning once more."""
    with tempfile.TemporaryFile("w+", encoding="utf-8") as printed:
        program = warm.Program(
            *("-m", "prunetool", *words),
            folder=folder,
            environment=environment(),
            stdout=printed,
            stderr=printed,
        )
        code = program.wait(300)
        printed.seek(0)
        return code, printed.read()


def comparable(line: str) -> str:
    line = re.sub("─+", "─", " ".join(line.split()))
    # Of totals, what is to the element is up to the percentage: sizes depend on where zeros are.
    exact, percent, rest = line.partition(" % ") if EXACT.match(line) else ("", "", line)
    return exact + percent + re.sub(r"\d+(\.\d+)?(e-?\d+)?", "0", rest)


def matches(shown: list[str], printed: list[str]) -> bool:
    """Compare line by line; ``...`` stands for any lines."""
    if not shown:
        return not printed
    if shown[0] == "...":
        return any(matches(shown[1:], printed[i:]) for i in range(len(printed) + 1))
    return bool(printed) and shown[0] == printed[0] and matches(shown[1:], printed[1:])


@pytest.mark.slow
def test_the_session_prints_what_it_shows(tmp_path):
    ran = 0
    for kind, block in blocks():
        if kind in ("python", "yaml"):
            name = re.match(r"# file: (\S+)\n", block)
            assert name or kind == "python", block
            target = tmp_path / (name[1] if name else "snippet.py")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(block, encoding="utf-8")
            if not name:
                code, printed = run([sys.executable, "snippet.py"], tmp_path)
                assert code == 0, printed
                ran += 1
        elif kind == "console":
            for command, shown in commands(block):
                code, printed = run(command, tmp_path)
                is_error = any(line.startswith("error:") for line in shown)
                assert code == (2 if is_error else 0), f"$ {command}\n{printed}"
                lines = [comparable(line) for line in printed.splitlines() if line.strip()]
                expected = [comparable(line) for line in shown if line.strip()]
                assert matches(expected, lines), f"$ {command}\n{printed}"
                ran += 1
    assert ran >= 6


def workflow() -> dict:
    """The README's job for GitHub Actions."""
    [text] = [block for kind, block in blocks() if kind == "yaml" and "\njobs:" in block]
    return yaml.safe_load(text)


@pytest.mark.slow
def test_the_job_for_github_trains_gates_and_uploads(tmp_path, monkeypatch):
    summary = tmp_path / "summary.md"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    [job] = workflow()["jobs"].values()
    for step in job["steps"]:
        if "run" in step and not step["run"].startswith("pip install"):
            code, printed = run(["bash", "-e", "-c", step["run"]], tmp_path)
            assert code == 0, f"{step['run']}\n{printed}"
    assert "pruned set" in summary.read_text(encoding="utf-8")
    [upload] = [it for it in job["steps"] if "upload-artifact" in it.get("uses", "")]
    for name in upload["with"]["path"].split():
        assert (tmp_path / name).exists(), f"nothing to upload: {name}"


def test_a_different_output_would_be_noticed():
    assert matches(["a", "...", "d"], ["a", "b", "c", "d"])
    assert not matches(["a", "..."], ["b"])
    assert not matches(["a"], ["a", "b"])
    assert comparable("loss  0.123") == comparable("loss 0.456")
    assert comparable("sparsity asked 0.9") != comparable("sparsity asked 0.8")
    assert comparable("pruned set 4 tensors 10 9") != comparable("pruned set 4 tensors 10 8")
    assert comparable("pruned set 10 9 90.00 % 3 8") == comparable("pruned set 10 9 90.00 % 3 7")
    assert comparable("pruned set 10 9 90.00 % 8") != comparable("pruned set 10 9 91.00 % 8")
    assert comparable("wrote a.ckpt (10 bytes)") != comparable("wrote b.ckpt (10 bytes)")
