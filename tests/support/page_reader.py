"""A page read back with the standard library's parser: its elements, attributes and text."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser

_VOID = {"meta", "img", "br", "link", "col", "hr"}


@dataclass
class Node:
    tag: str
    attributes: dict[str, str]
    children: list[Node | str] = field(default_factory=list)

    def all(self, tag: str, class_: str | None = None) -> list[Node]:
        """Give the elements below, in order."""
        found = []
        for child in self.children:
            if isinstance(child, Node):
                classes = child.attributes.get("class", "").split()
                if child.tag == tag and (class_ is None or class_ in classes):
                    found.append(child)
                found += child.all(tag, class_)
        return found

    def by_id(self, id_: str) -> Node:
        """Give the one element of an id."""
        (found,) = [it for it in self.everything if it.attributes.get("id") == id_]
        return found

    @property
    def everything(self) -> list[Node]:
        below = [child for child in self.children if isinstance(child, Node)]
        return [node for child in below for node in (child, *child.everything)]

    @property
    def text(self) -> str:
        return "".join(it if isinstance(it, str) else it.text for it in self.children)

    @property
    def rows(self) -> list[list[str]]:
        """Give the cells of a table, without its headings."""
        (body,) = self.all("tbody")
        return [
            [cell.text for cell in row.children if isinstance(cell, Node)] for row in body.all("tr")
        ]

    @property
    def values(self) -> list[list[float | str]]:
        """Give the same with numbers where there are some."""
        (body,) = self.all("tbody")
        return [
            [_value(cell) for cell in row.children if isinstance(cell, Node)]
            for row in body.all("tr")
        ]


def _value(cell: Node) -> float | str:
    value = cell.attributes.get("data-value")
    return cell.text if value is None else float(value)


def read_page(text: str) -> Node:
    """Parse a page, in which every element must be closed."""
    reader = _Reader()
    reader.feed(text)
    reader.close()
    assert len(reader.open) == 1, f"not closed: {reader.open[-1].tag}"
    return reader.open[0]


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open = [Node("document", {})]

    def handle_starttag(self, tag, attrs):
        node = Node(tag, {key: value or "" for key, value in attrs})
        self.open[-1].children.append(node)
        if tag not in _VOID:
            self.open.append(node)

    def handle_endtag(self, tag):
        assert self.open.pop().tag == tag

    def handle_data(self, data):
        self.open[-1].children.append(data)
