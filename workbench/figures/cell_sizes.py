"""The number of images in each cell of an inverted index."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.common.palette import NEUTRAL, PALETTE
from workbench.figures.style import Figure, new_figure, notice, subtitle, text

if TYPE_CHECKING:
    from workbench.search.inspection import CellStatistics

CELLS = 256  # cells drawn, at most
TITLE = "Images in each cell of the index"


def cell_sizes(cells: CellStatistics, collection: str = "") -> Figure:
    """The cells nearest to a query first, and the mean size as a line. The ids are their places, from 0."""
    sizes = cells.sizes[:CELLS].tolist()
    if not sizes:
        return notice("The index has no cells.", TITLE)
    count, images = len(cells.sizes), int(cells.sizes.sum())
    figure = new_figure(
        TITLE,
        subtitle(
            text(collection),
            f"n = {images:,} images in {count:,} cells",
            f"the nearest {CELLS} drawn" if count > CELLS else "",
            f"blue: the {cells.probed:,} that are searched",
            f"dashed: their mean, {cells.sizes.mean():,.1f}",
            collection=collection,
        ),
        x="cells, the nearest to the query first",
        y="images",
        height=240,
        bargap=0.1 if len(sizes) <= 100 else 0,
        hovermode="x",
    )
    searched = [place < cells.probed for place in range(len(sizes))]
    figure.add_bar(
        x=list(range(1, len(sizes) + 1)),
        y=sizes,
        marker={"color": [PALETTE[0] if is_searched else NEUTRAL for is_searched in searched]},
        ids=[str(place) for place in range(len(sizes))],
        hovertext=[
            f"cell {place + 1} by distance: {size:,} images, {'' if is_searched else 'not '}searched"
            for place, (size, is_searched) in enumerate(zip(sizes, searched, strict=True))
        ],
        hoverinfo="text",
    )
    figure.add_hline(float(cells.sizes.mean()), line={"dash": "dash", "width": 1, "color": NEUTRAL})
    figure.update_xaxes(range=[0.4, len(sizes) + 0.6], dtick=1 if len(sizes) <= 12 else None)
    return figure
