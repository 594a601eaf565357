"""From an import path to the object it names.

``pkg.mod:Name``, ``pkg.mod.Name`` and ``path/file.py:Name`` are import paths. A path that leads
nowhere is a one-line error; an exception inside the imported code is the user's, and keeps its
traceback.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import pkgutil
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from prunetool.errors import TargetError, UserCodeError
from prunetool.suggest import did_you_mean


def make_importable(folder: str | os.PathLike[str]) -> None:
    """Put ``folder`` first on the import path, as Python does with a script's folder.

    Raises:
        TargetError: if there is no such folder.
    """
    path = Path(folder)
    if not path.is_dir():
        raise TargetError(f"--app-dir {folder}: no such folder")
    entry = str(path.resolve())
    if sys.path[0] != entry:
        sys.path.insert(0, entry)


def import_object(path: str, *, app_dir: str = ".", example: str = "Class") -> Any:
    """Import what ``path`` names.

    Args:
        path: ``pkg.mod:Name``, ``pkg.mod.Name`` or ``path/file.py:Name``.
        app_dir: where a relative file is looked for; importable through `make_importable`.
        example: a name for messages about a path without one.

    Raises:
        TargetError: if a module, file or attribute on the way does not exist.
        UserCodeError: if the imported code raises.
    """
    module_path, attribute = _split(path, example)
    if _is_file_path(module_path):
        module = _import_file(module_path, Path(app_dir))
    else:
        module = _import_module(module_path, Path(app_dir))
    return _attribute(module, attribute, shown=module_path)


def _split(path: str, example: str) -> tuple[str, str]:
    module_path, colon, attribute = path.rpartition(":")
    if colon and module_path and attribute:
        return module_path, attribute
    if path.endswith(".py") or colon:
        stem = path.rstrip(":") or "pkg.mod"
        raise TargetError(f"{path}: expected a name after the module, as in {stem}:{example}")
    module_path, dot, attribute = path.rpartition(".")
    if not dot or not module_path or os.sep in path:
        raise TargetError(
            f"{path}: expected pkg.mod:{example}, path/file.py:{example} or an existing file"
        )
    return module_path, attribute


def _is_file_path(module_path: str) -> bool:
    return module_path.endswith(".py") or "/" in module_path or os.sep in module_path


def _import_module(name: str, app_dir: Path) -> ModuleType:
    """Import level by level, so that "not there" and "there, but broken" stay apart."""
    module: ModuleType | None = None
    done = ""
    for part in name.split("."):
        full = f"{done}.{part}" if done else part
        if full not in sys.modules and not _exists(full, module):
            raise TargetError(_no_module(full, part, module, app_dir))
        module = _run_import(full)
        done = full
    assert module is not None
    return module


def _exists(name: str, parent: ModuleType | None) -> bool:
    if parent is not None and not hasattr(parent, "__path__"):
        return False
    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, ValueError):
        return False


def _no_module(full: str, part: str, parent: ModuleType | None, app_dir: Path) -> str:
    if parent is None:
        known = [info.name for info in pkgutil.iter_modules([str(app_dir)])]
        hint = did_you_mean(part, known) or "; is it installed, or in another folder (--app-dir)?"
        return f"no module named '{full}'{hint}"
    if not hasattr(parent, "__path__"):
        return f"no module named '{full}': '{parent.__name__}' is a module, not a package"
    inside = pkgutil.iter_modules(parent.__path__, prefix=f"{parent.__name__}.")
    return f"no module named '{full}'{did_you_mean(full, [info.name for info in inside])}"


def _run_import(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except Exception as error:
        raise UserCodeError(f"importing {name}") from error


def _import_file(shown: str, app_dir: Path) -> ModuleType:
    file = app_dir / shown
    if file.is_dir():
        raise TargetError(f"{shown}: is a folder; expected a Python file, as in {shown}/model.py")
    if not file.is_file():
        known = [str(Path(shown).parent / p.name) for p in _python_files(file.parent)]
        raise TargetError(
            f"{shown}: no such file in {_folder(app_dir)}{did_you_mean(shown, known)}"
        )
    file = file.resolve()
    make_importable(file.parent)
    root, name = _module_name(file)
    make_importable(root)
    if _names_this_file(name, file):
        return _run_import(name)
    return _import_under_own_name(file)


def _python_files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.py")) if folder.is_dir() else []


def _folder(app_dir: Path) -> str:
    return "the current folder" if app_dir == Path(".") else str(app_dir)


def _module_name(file: Path) -> tuple[Path, str]:
    """Where the outermost package around ``file`` lies, and the file's dotted name from there."""
    root, parts = file.parent, [file.stem]
    while (root / "__init__.py").exists():
        parts.insert(0, root.name)
        root = root.parent
    return root, ".".join(parts)


def _names_this_file(name: str, file: Path) -> bool:
    """Would ``import name`` give this file, and not a module of the same name from elsewhere?"""
    if not all(part.isidentifier() for part in name.split(".")):
        return False
    loaded = sys.modules.get(name)
    if loaded is not None:
        return _same_file(getattr(loaded, "__file__", None), file)
    try:
        spec = importlib.util.find_spec(name)
    except Exception as error:  # a package above the file
        raise UserCodeError(f"importing the package of {file.name}") from error
    return spec is not None and _same_file(spec.origin, file)


def _same_file(path: str | None, file: Path) -> bool:
    return path is not None and os.path.exists(path) and os.path.samefile(path, file)


def _import_under_own_name(file: Path) -> ModuleType:
    """A name that no other module has and that is the same in every process: classes pickle."""
    name = f"prunetool_target_{''.join(c if c.isalnum() else '_' for c in file.stem)}"
    loaded = sys.modules.get(name)
    if loaded is not None and _same_file(loaded.__file__, file):
        return loaded
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise TargetError(f"{file}: not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        raise UserCodeError(f"importing {file.name}") from error
    return module


def _attribute(module: ModuleType, dotted: str, *, shown: str) -> Any:
    found: Any = module
    for name in dotted.split("."):
        try:
            found = getattr(found, name)
        except AttributeError as error:
            if found is module and _exists(f"{module.__name__}.{name}", module):
                inside = f"{module.__name__}.{name}"
                raise TargetError(
                    f"{inside} is a module; name a class in it: {inside}:Class"
                ) from None
            hint = did_you_mean(name, _public_names(found))
            raise TargetError(f"{shown} has no attribute '{name}'{hint}") from error
        except Exception as error:  # a module's own __getattr__
            raise UserCodeError(f"looking up {name} in {shown}") from error
    return found


def _public_names(owner: Any) -> Iterator[str]:
    names: Iterable[str] = dir(owner)
    return (name for name in names if not name.startswith("_"))
