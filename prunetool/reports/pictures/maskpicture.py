"""A mask as a picture: what is left is coloured, what is gone is not."""

from __future__ import annotations

from math import ceil

from torch import Tensor

from prunetool.reports.pictures.axes import counted, grouped, percent
from prunetool.reports.pictures.figures import Cell, Numbers, sentences
from prunetool.reports.pictures.markup import Markup, element, join
from prunetool.reports.pictures.png import data_uri, png
from prunetool.reports.pictures.weights import MaskGrid

_COLOUR = (50, 120, 235)
_ONE_BIT, _FOUR_BITS = 1, 4
_WIDTH, _HEIGHT = 384, 256  # pixels that a small mask is enlarged to, at most
_ZOOM, _THINNEST = 12, 6
_BANDS = 8  # rows and columns of the table


def mask_picture(grid: MaskGrid, name: str) -> Markup:
    """Picture the mask of a layer, a pixel an element or a block of them, and say what it shows."""
    height, width = grid.kept.shape
    density, most = _density(grid), _most(grid)
    zoom = min(_ZOOM, max(1, min(_WIDTH // width, _HEIGHT // height)))
    if grid.block == (1, 1):
        picture = png(grid.kept.tolist(), bits=_ONE_BIT, colour=_COLOUR)
        key = "a pixel is an element; coloured: not zero"
    else:
        levels = (density / most * (2**_FOUR_BITS - 1)).ceil().long() if most else grid.kept
        picture = png(levels.tolist(), bits=_FOUR_BITS, colour=_COLOUR)
        down, across = grid.block
        key = (
            f"a pixel is a block of {down} x {across} elements; full colour: "
            f"{percent(most)} of them not zero"
        )
    said = f"{grouped(grid.rows)} x {grouped(grid.columns)}: {key}"
    image = element(
        "img",
        src=data_uri(picture),
        alt=f"Mask of {name}, {said}",
        width=str(max(width * zoom, _THINNEST)),
        height=str(max(height * zoom, _THINNEST)),
        class_="mask",
    )
    frame = element(
        "div", image, class_="frame", tabindex="0", role="region", aria_label=f"Mask of {name}"
    )
    return join([frame, sentences([f"{said}. {_gone(grid)}"])])


def mask_numbers(grid: MaskGrid, name: str) -> Numbers:
    """Give the share that is left in up to 8 x 8 parts of the matrix."""
    kept, sizes = grid.kept.double(), grid.sizes.double()
    down, across = (_bands(length) for length in kept.shape)
    headings = ["rows", *(_range(grid.columns, grid.block[1], band) for band in across)]
    rows = [
        [
            Cell(_range(grid.rows, grid.block[0], band)),
            *(_share(kept, sizes, band, other) for other in across),
        ]
        for band in down
    ]
    caption = f"share of {name} that is not zero, by rows and columns"
    return Numbers(caption, headings, rows)


def _density(grid: MaskGrid) -> Tensor:
    return grid.kept.double() / grid.sizes.double()


def _most(grid: MaskGrid) -> float:
    return float(_density(grid).max())


def _gone(grid: MaskGrid) -> str:
    if grid.block != (1, 1):
        return ""
    rows = int((grid.kept.sum(1) == 0).sum())
    columns = int((grid.kept.sum(0) == 0).sum())
    return f"{counted(rows, 'row')} and {counted(columns, 'column')} are all zero."


def _bands(length: int) -> list[range]:
    step = ceil(length / _BANDS)
    return [range(start, min(start + step, length)) for start in range(0, length, step)]


def _range(length: int, block: int, band: range) -> str:
    first, last = band.start * block, min(band.stop * block, length) - 1
    return f"{first} to {last}" if last > first else f"{first}"


def _share(kept: Tensor, sizes: Tensor, down: range, across: range) -> Cell:
    part = (slice(down.start, down.stop), slice(across.start, across.stop))
    share = float(kept[part].sum() / sizes[part].sum())
    return Cell(f"{100 * share:.1f} %", share)
