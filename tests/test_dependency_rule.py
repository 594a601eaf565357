"""Who imports whom: read from the sources, and proved in fresh interpreters."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

import prunetool

PACKAGE = Path(prunetool.__file__).parent
LIGHTNING = {"lightning", "lightning_fabric", "lightning_utilities", "pytorch_lightning"}


def module_of(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def sources(folder: str = "") -> dict[str, Path]:
    """Every module of a subpackage, by its full name."""
    return {module_of(path): path for path in sorted((PACKAGE / folder).rglob("*.py"))}


def imported_names(path: Path) -> set[str]:
    """Every module that the source names in an import, also inside functions."""
    package = module_of(path) if path.name == "__init__.py" else module_of(path).rpartition(".")[0]
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1]
            base = ".".join([*(above if node.level else []), *filter(None, [node.module])])
            names |= {base} | {f"{base}.{alias.name}" for alias in node.names}
    return names


def is_in(name: str, *packages: str) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def loaded_after(*modules: str) -> set[str]:
    """The modules that a fresh interpreter holds after importing ``modules``."""
    code = f"import sys, {', '.join(modules)}\nprint(*sys.modules, sep='\\n')"
    environment = os.environ | {"PYTHONPATH": str(PACKAGE.parent)}
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False
    )
    assert result.returncode == 0, result.stderr
    return set(result.stdout.split("\n"))


def tops(modules: set[str]) -> set[str]:
    return {name.partition(".")[0] for name in modules}


def test_the_sources_are_read_rightly() -> None:
    path = PACKAGE / "cli" / "app.py"
    assert {"prunetool.cli.boundary", "typer", "prunetool._version"} <= imported_names(path)


def test_importing_prunetool_imports_neither_torch_nor_lightning() -> None:
    loaded = loaded_after("prunetool")
    assert "prunetool" in loaded
    assert tops(loaded) & ({"torch", "typer", "rich"} | LIGHTNING) == set()


def test_the_engine_needs_torch_alone() -> None:
    modules = sources("pruning")
    loaded = loaded_after(*modules)
    assert set(modules) <= loaded
    assert tops(loaded) & ({"typer", "rich", "safetensors"} | LIGHTNING) == set()
    ours = {name for name in loaded if is_in(name, "prunetool")}
    allowed = {"prunetool", "prunetool.errors", "prunetool._version"}
    assert {name for name in ours if not is_in(name, "prunetool.pruning")} - allowed == set()


def test_the_engine_names_nothing_but_torch_and_the_standard_library() -> None:
    for path in sources("pruning").values():
        others = tops(imported_names(path)) - set(sys.stdlib_module_names) - {"torch", "prunetool"}
        assert others == set(), path


@pytest.mark.parametrize("folder", ["checkpoints", "reports"])
def test_reading_files_never_imports_lightning(folder: str) -> None:
    modules = sources(folder)
    assert len(modules) > 1
    loaded = loaded_after(*modules)
    assert set(modules) <= loaded
    assert tops(loaded) & LIGHTNING == set()
    for path in modules.values():
        assert tops(imported_names(path)) & LIGHTNING == set(), path


# What each part may import of the others, beside itself and what belongs to no part.
COMMON = {"errors", "suggest", "_version", "importing", "epochs"}
ALLOWED = {
    "pruning": set(),
    "fit": {"pruning"},
    "checkpoints": {"pruning"},
    "reports": {"pruning", "checkpoints"},
    "training": {"pruning", "callback", "checkpoints"},
    "demos": set(),
    "cli": {"training", "checkpoints", "reports", "pruning"},
    "callback": {"pruning", "fit"},
}


@pytest.mark.parametrize("part", ALLOWED)
def test_a_part_imports_what_lies_below_it_only(part: str) -> None:
    paths = sources(part) or {f"prunetool.{part}": PACKAGE / f"{part}.py"}
    common = {part} | COMMON
    for path in paths.values():
        ours = {name for name in imported_names(path) if is_in(name, "prunetool")}
        parts = {name.split(".")[1] for name in ours if "." in name}
        assert parts - common - ALLOWED[part] - {"__version__"} == set(), path


def test_nothing_imports_the_command_line() -> None:
    importers = {
        module
        for module, path in sources().items()
        if not is_in(module, "prunetool.cli")
        and any(is_in(name, "prunetool.cli") for name in imported_names(path))
    }
    assert importers == {"prunetool.__main__"}  # python -m prunetool is the command line
