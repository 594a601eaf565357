"""Check what can be checked of the documentation without running it.

Every option of every command stands in the README, every command's help has an example, the
changelog names the version, links to files lead somewhere, and no text names a path of the machine
it was written on. What the README's commands print is checked by tests/test_readme.py.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import typer

from prunetool._version import __version__
from prunetool.cli.app import app

ROOT = Path(__file__).parent.parent
# A home, a temporary or a mounted folder with something in it.
MACHINE_PATH = re.compile(r"(?<![\w.])/(?:home|root|tmp|work|mnt)/\w+")


def undocumented_options(readme: str) -> list[str]:
    group = typer.main.get_command(app)
    return [
        f"README.md: {name} {option} is not mentioned"
        for name, command in group.commands.items()
        for parameter in command.params
        for option in parameter.opts
        if option.startswith("--")
        and not option.startswith("--help")
        and not re.search(rf"{re.escape(option)}(?![\w-])", readme)
    ]


def commands_without_example() -> list[str]:
    group = typer.main.get_command(app)
    return [
        f"prunetool {name} --help has no example"
        for name, command in group.commands.items()
        if "Example: prunetool " + name not in (command.epilog or "")
    ]


def broken_links(readme: str) -> list[str]:
    targets = re.findall(r"\]\(([^)#:]+)\)", readme)
    return [f"README.md: no such file: {t}" for t in targets if not (ROOT / t).exists()]


def machine_paths() -> list[str]:
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    found = []
    for name in listed.stdout.split():
        if (ROOT / name).is_file() and name != "scripts/check_docs.py":
            text = (ROOT / name).read_text(encoding="utf-8", errors="replace")
            found += [f"{name}: names {match[0]}" for match in MACHINE_PATH.finditer(text)]
    return found


def main() -> int:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    problems = [
        *undocumented_options(readme),
        *commands_without_example(),
        *broken_links(readme),
        *machine_paths(),
    ]
    if f"## [{__version__}]" not in changelog and "## [Unreleased]" not in changelog:
        problems.append(f"CHANGELOG.md: no section for {__version__}")
    for problem in problems:
        print(problem)
    print(f"docs: {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
