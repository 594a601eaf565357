"""Bars by layer: complete names, and how sparse each is."""

from __future__ import annotations

from collections.abc import Sequence

from prunetool.reports.pictures.axes import grouped, percent
from prunetool.reports.pictures.markup import Markup, element
from prunetool.reports.statistics import Layer


def sparsity_bars(layers: Sequence[Layer]) -> Markup:
    """Draw a bar from 0 to 100 % for each layer, in their order."""
    return element("ul", *(_bar(layer) for layer in layers), class_="bars")


def _bar(layer: Layer) -> Markup:
    count = layer.count
    said = f"{grouped(count.zeros)} of {grouped(count.parameters)} are zero"
    bar = element(
        "rect",
        width=f"{100 * count.sparsity:.6g}%",
        height="100%",
        data_value=repr(count.sparsity),
    )
    return element(
        "li",
        element("code", layer.name),
        element(
            "svg",
            element("title", said),
            bar,
            class_="bar",
            role="img",
            aria_label=f"{layer.name}: {percent(count.sparsity)}, {said}",
        ),
        element("span", percent(count.sparsity), class_="share"),
        element("span", said, class_="of"),
    )
