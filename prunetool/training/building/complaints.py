"""What jsonargparse complains about, as one line."""

from __future__ import annotations

import re
from collections.abc import Callable

_KEY = re.compile(r'Parser key "([^"]+)":')
_EXPECTED = re.compile(r"Expected an? (?:<class '([\w.]+)'>|([\w.\[\], |]+\]))")
_GOT = re.compile(r"(?:Got value|Given value): (.*?)(?:\. Got value: .*)?$", re.MULTILINE)
_NO_SUBCLASS = re.compile(r"Import path (\S+) does not correspond to (a subclass of [^\n]+)")
_NO_PATH = re.compile(r"Expected a dot import path string: (\S+)\n")
_UNKNOWN = re.compile(r"(?:Option|Group '[^']*' does not accept option) '([^']+)'")
_REQUIRED = re.compile(r"the following arguments are required: (.*)")
_LONGEST = 60
_QUOTES = " (what YAML takes for a number, a list, ... is text in quotes)"


def in_one_line(message: str, where: Callable[[str], str]) -> str:
    """Put a complaint into one line.

    Args:
        message: of a ``jsonargparse.ArgumentError``.
        where: names the place of an argument.
    """
    keys = list(dict.fromkeys(_KEY.findall(message)))
    place = where(keys[0].partition(".")[0]) if keys else ""
    for key in (keys[0].partition(".")[2], *keys[1:]) if keys else ():
        place += f".init_args.{key}" if key else ""
    reason = _reason(message)
    return f"{place}: {reason}" if place else f"{where('').rstrip('. ')}: {reason}"


def _reason(message: str) -> str:
    if unknown := _UNKNOWN.findall(message):
        return f"there is no argument '{unknown[-1]}'"
    if required := _REQUIRED.search(message):
        return f"missing: {required[1]}"
    if other := _NO_SUBCLASS.search(message):
        return f"{other[1]} is not {other[2].partition('. Got')[0]}"
    innermost = _KEY.split(message)[-1]
    if got := _GOT.search(innermost):
        types = [_name(*found) for found in _EXPECTED.findall(innermost[: got.start()])]
        types = [*dict.fromkeys(types)]
        if types and types != ["null"]:
            hint = _QUOTES if types == ["str"] else ""
            return f"expected {' or '.join(types)}, got '{_short(got[1])}'{hint}"
    if nowhere := _NO_PATH.search(message):
        return f"'{nowhere[1]}' is neither an import path nor the name of a known class"
    lines = [line.strip() for line in innermost.splitlines() if line.strip()]
    return _short(" ".join(lines), 200)


def _name(of_class: str, other: str) -> str:
    name = of_class.rpartition(".")[2] or other.strip()
    return {"NoneType": "null"}.get(name, name)


def _short(text: str, most: int = _LONGEST) -> str:
    text = " ".join(text.split())
    return text if len(text) <= most else f"{text[: most - 3]}..."
