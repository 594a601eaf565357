"""What stands in the cells of a table: numbers, sizes and names as text."""

from __future__ import annotations

from collections.abc import Sequence

from prunetool.reports.statistics import Count, Layer

NOTHING = "-"
_NEARLY_EMPTY = 0.01  # fraction of elements left
_EIGHTHS = " ▏▎▍▌▋▊▉"
_PREFIXES = ("", "k", "M", "G", "T", "P")


def shape_text(shape: Sequence[int]) -> str:
    """Give sizes as in ``80x40x3x3``."""
    return "x".join(str(size) for size in shape) or "scalar"


def percent(fraction: float) -> str:
    """Give a fraction in percent; 100 only of all, and 0 only of nothing."""
    shown = f"{100 * fraction:.2f}"
    if shown == "100.00" and fraction < 1:
        shown = "99.99"
    if shown == "0.00" and fraction > 0:
        shown = "0.01"
    return f"{shown} %"


def dead_text(layer: Layer) -> str:
    """Give the dead channels along dim 0 and along dim 1, as in ``3+1``; nothing without zeros."""
    return "+".join(str(it) for it in layer.dead_channels) if layer.count.zeros else ""


def note_text(layer: Layer) -> str:
    """Say of a matrix, or of anything in the pruned set, where (almost) nothing is left."""
    count = layer.count
    if not count.parameters or not (layer.prunable or layer.dead_channels):
        return ""
    if count.zeros == count.parameters:
        return "empty"
    return "<1 % left" if 1 - count.sparsity < _NEARLY_EMPTY else ""


def quantity(number: int, unit: str, *, human: bool) -> str:
    """Give a number of ``unit``: to the last one, or for people, such as ``1.25 MB``."""
    if not human:
        return str(number)
    size, prefix = float(number), 0
    while size >= 999.5 and prefix < len(_PREFIXES) - 1:
        size, prefix = size / 1000, prefix + 1
    digits = f"{size:.3g}" if prefix else str(number)
    return f"{digits} {_PREFIXES[prefix]}{unit}".rstrip()


def bar(count: Count, *, width: int, ascii_only: bool) -> str:
    """Draw the share of zeros, in ``width`` characters."""
    if ascii_only:
        return ("#" * round(count.sparsity * width)).ljust(width, ".")
    eighths = int(count.sparsity * width * 8)
    drawn = "█" * (eighths // 8) + (_EIGHTHS[eighths % 8] if eighths % 8 else "")
    return drawn.ljust(width)
