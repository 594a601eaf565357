"""What jsonargparse complains about, as one line."""

from __future__ import annotations

import re
from collections.abc import Callable

_KEY = re.compile(r'Parser key "([^"]+)":')
_EXPECTED = re.compile(r"Expected an? (?:<class '([\w.]+)'>|([\w.\[\], |]+\]))")
_GOT = re.compile(r"(?:Got value|Given value): (.*?)(?:\. Got value: .*)?$", re.MULTILINE)
_NO_SUBCLASS = re.compile(r"Import path (\S+) does not correspond to (a subclass of [^\n]+)")
_UNKNOWN = re.compile(r"(?:Option|Group '[^']*' does not accept option) '([^']+)'")
_REQUIRED = re.compile(r"the following arguments are required: (.*)")
_LONGEST = 60


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
    got = _GOT.findall(message)
    types = [_name(*found) for found in _EXPECTED.findall(message)]
    if types and got:
        expected = " or ".join(dict.fromkeys(types))
        return f"expected {expected}, got '{_short(got[0])}'"
    lines = [line.strip() for line in _KEY.sub("", message).splitlines() if line.strip()]
    return _short(" ".join(lines), 200)


def _name(of_class: str, other: str) -> str:
    name = of_class.rpartition(".")[2] or other.strip()
    return {"NoneType": "null"}.get(name, name)


def _short(text: str, most: int = _LONGEST) -> str:
    text = " ".join(text.split())
    return text if len(text) <= most else f"{text[: most - 3]}..."
