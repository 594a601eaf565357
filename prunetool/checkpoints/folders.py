"""Folders that take the place of others: sharded checkpoints are written and kept as a whole.

No system renames a folder over another that is not empty. The old one steps aside for a moment, and
whoever comes after a kill at that moment finds both and calls :func:`recover`.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path


def beside_folder(path: Path) -> Path:
    """Where the folder that is to become ``path`` is written: as ``beside_of`` a file."""
    return path.with_name(f".{path.name}.tmp")


def aside_of(path: Path) -> Path:
    """Where what was at ``path`` stands while it is replaced."""
    return path.with_name(f".{path.name}.old")


def replace_folder(beside: Path, path: Path) -> None:
    """Bring a finished folder to the disk, put it in the place of ``path``, drop what was there.

    Args:
        beside: complete; in the same folder as ``path``.
        path: a folder, a file or nothing.

    Raises:
        OSError: if the file system refuses; a whole one is then at ``path``, or aside of it.
    """
    sync_tree(beside)
    aside = aside_of(path)
    remove(aside)
    if path.exists():
        os.rename(path, aside)
    os.rename(beside, path)
    sync_folder(path.parent)
    remove(aside)


def recover(path: Path) -> bool:
    """Finish or undo what a kill left half done at ``path``, and remove the leftovers.

    Returns:
        Whether something was brought back.
    """
    beside, aside = beside_folder(path), aside_of(path)
    missing = not path.exists() and aside.exists()
    if missing:
        # The old one steps aside only when the new one is complete and on the disk.
        os.rename(beside if beside.exists() else aside, path)
        sync_folder(path.parent)
    remove(beside)
    remove(aside)
    return missing


def link_tree(source: Path, target: Path) -> None:
    """Give every file of a folder a second name in a new folder; copies, where it cannot be."""
    remove(target)
    shutil.copytree(source, target, copy_function=_link)


def remove(path: Path) -> None:
    """Remove a file or a folder with all that is in it; nothing happens if there is none."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def sync_tree(path: Path) -> None:
    """Bring a file, or a folder with all that is in it, to the disk."""
    if not path.is_dir():
        _sync(path, os.O_RDONLY)
        return
    for entry in path.iterdir():
        sync_tree(entry)
    sync_folder(path)


def sync_folder(path: Path) -> None:
    """Bring the names in a folder to the disk, on systems where folders can be opened."""
    if hasattr(os, "O_DIRECTORY"):
        _sync(path, os.O_RDONLY | os.O_DIRECTORY)


def _link(source: str, target: str) -> str:
    try:
        os.link(source, target)
    except OSError:  # a file system without hard links
        shutil.copyfile(source, target)
    return target


def _sync(path: Path, flags: int) -> None:
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
