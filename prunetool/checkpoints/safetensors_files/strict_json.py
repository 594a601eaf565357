"""JSON from a stranger: of a size that can be read, every name once, nothing but JSON."""

from __future__ import annotations

import json
from typing import Any

from prunetool.checkpoints.names import shown

# Values cost some hundred bytes of memory each; the header of a tensor has about ten of them.
MOST_VALUES = 4_000_000


class JsonError(ValueError):
    """The text is not what it should be; says why."""


def parse_object(content: bytes) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        JsonError: if it is none, has a name twice, or is larger or deeper than can be read.
    """
    if sum(content.count(mark) for mark in (b",", b"[", b"{")) > MOST_VALUES:
        raise JsonError(f"JSON of more than {MOST_VALUES} values")
    try:
        parsed = json.loads(
            content.decode("utf-8"), object_pairs_hook=_once, parse_constant=_refuse
        )
    except JsonError:
        raise
    except RecursionError:
        raise JsonError("JSON that is nested too deep") from None
    except ValueError as error:  # no UTF-8, no JSON, or a number of thousands of digits
        raise JsonError(f"no JSON ({shown(error)})") from None
    if not isinstance(parsed, dict):
        raise JsonError("JSON that is no object")
    return parsed


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        twice = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise JsonError(f"the name {shown(twice)} twice")
    return found


def _refuse(constant: str) -> Any:
    raise JsonError(f"no JSON ({constant})")
