"""An audit hook: it notes what a program does that reading data never needs."""

from __future__ import annotations

import os
import site
import sys
import sysconfig
from pathlib import Path
from typing import Any

_NEVER = frozenset({
    "os.system", "subprocess.Popen", "os.exec", "os.posix_spawn", "os.spawn", "os.fork",
    "os.forkpty", "os.startfile", "pty.spawn", "socket.connect", "socket.bind",
    "socket.getaddrinfo", "socket.sendto", "urllib.Request", "pickle.find_class",
    "ctypes.dlopen", "ctypes.dlsym", "webbrowser.open", "ftplib.connect", "os.kill",
    "builtins.input", "code.__new__", "shutil.rmtree",
})  # fmt: skip
_CHANGES = frozenset({
    "os.remove", "os.rename", "os.rmdir", "os.mkdir", "os.symlink", "os.link", "os.truncate",
    "os.chmod", "os.chown", "os.utime",
})  # fmt: skip
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


def watch(report: int, allowed: Path) -> None:
    """Note events, a line each, for the rest of this process.

    Args:
        report: an open file to write them to.
        allowed: files may be written and changed in this folder.
    """
    folders = _code_folders()
    inside = str(allowed.resolve()) + os.sep
    busy = False

    def note(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal busy
        if busy:
            return
        busy = True
        try:
            if text := _suspicion(event, arguments, inside, folders):
                os.write(report, f"{text}\n".encode(errors="replace"))
        finally:
            busy = False

    sys.addaudithook(note)


def _code_folders() -> tuple[str, ...]:
    """Where the code is that may run."""
    root = Path(__file__).parent.parent.parent
    places = [*sysconfig.get_paths().values(), *site.getsitepackages(), str(root / "prunetool")]
    return tuple({str(Path(it)) for it in places})


def _suspicion(
    event: str, arguments: tuple[Any, ...], inside: str, folders: tuple[str, ...]
) -> str | None:
    match event:
        case _ if event in _NEVER:
            return f"{event} {arguments!r:.200}"
        case "open":
            path, _mode, flags = arguments
            is_foreign = isinstance(path, str | bytes) and not _is_inside(path, inside)
            return f"write {path!r}" if flags & _WRITES and is_foreign else None
        case _ if event in _CHANGES:
            path = arguments[0]
            return None if _is_inside(path, inside) else f"{event} {path!r}"
        case "exec":
            file = getattr(arguments[0], "co_filename", "?")
            known = file.startswith((*folders, "<frozen", "<attrs generated"))
            return None if known else f"exec {file}"
        case "compile":
            return f"compile {arguments[0]!r:.100}"
        case "import":
            return f"import {arguments[0]}" if not _is_known(arguments[0]) else None
        case _:
            return None


def _is_inside(path: Any, inside: str) -> bool:
    text = os.fsdecode(path) if isinstance(path, str | bytes | os.PathLike) else ""
    if not text or text == os.devnull:
        return True  # by number: it was opened before
    return (os.path.realpath(text) + os.sep).startswith(inside)


_KNOWN = ("prunetool", "torch", "rich", "typer", "numpy", "safetensors", "encodings")


def _is_known(module: str) -> bool:
    """What the commands may import late; a checkpoint of the tests names none of these."""
    return module.partition(".")[0] in _KNOWN
