"""HTML built from elements: what is no markup is escaped, so that a name cannot become any."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable
from typing import Final

_VOID: Final = frozenset({"meta", "img", "br", "link", "col", "hr"})
# What a document must not hold, or would change the direction of the text around it.
_INVISIBLE = re.compile(
    "[\x00-\x08\x0b\x0c\r\x0e-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)


class Markup(str):
    """Text that is HTML already; any other is escaped where it enters an element."""


def escape(text: str) -> Markup:
    """Make text harmless in content and in attribute values; control characters become visible."""
    if isinstance(text, Markup):
        return text
    visible = _INVISIBLE.sub(lambda it: f"\\u{ord(it[0]):04x}", text)
    return Markup(html.escape(visible, quote=True))


def element(tag: str, /, *children: str, **attributes: str | None) -> Markup:
    """Give an element.

    Args:
        tag: its name.
        children: text, or markup.
        attributes: ``data_value`` is written ``data-value``, and ``class_`` ``class``; those that
            are None are left out.
    """
    said = "".join(
        f' {_written(key)}="{escape(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    if tag in _VOID:
        return Markup(f"<{tag}{said}>")
    return Markup(f"<{tag}{said}>{join(children)}</{tag}>")


def join(parts: Iterable[str], separator: str = "") -> Markup:
    """Put text and markup one after another."""
    return Markup(escape(separator).join(escape(part) for part in parts))


def _written(key: str) -> str:
    return key.rstrip("_").replace("_", "-")
