"""The recounting of an event: its moments under the heat of their cells, above the sum over parts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from workbench.collections.video.moment import clock, seconds_of
from workbench.common.rounding import signed
from workbench.figures.contributions import waterfall
from workbench.figures.pictures_over_sum import HeatedPicture, Narrow, draw_pictures_over_sum
from workbench.figures.style import Figure, notice, subtitle, text

if TYPE_CHECKING:
    from workbench.analysis.recounting import Cells, Recounting

PICTURES, COLUMNS = 6, 3  # moments that are drawn, and in a row
_HEIGHT = 190  # pixels of a row of pictures
_NARROW = (Narrow(700, 260, 0.44), Narrow(440, 200, 0.44))


def recounting(result: Recounting) -> Figure:
    """The moments that add most, in order of time, under the heat of what their cells add, on one scale.

    Below is the score as a sum over the parts of the query and their regions or concepts, of all moments.
    """
    title = f"Event {text(result.title, 40)}: score {result.score:.3f}"
    cells = drawn_cells(result)
    if not cells:
        return notice("The event has no moment with an explanation.", title)
    details = (
        f"{text(result.video, 60)}, {clock(result.start)}–{clock(result.end)}, "
        f"threshold {result.threshold:.3f}<br>"
        + subtitle(
            text(result.pipeline, 50),
            f"n = {len(result.moments):,} moments",
            f"heat of {len(cells)} of them" if len(cells) < len(result.moments) else "",
            collection=result.collection,
            pipelines=[result.pipeline],
        )
    )
    pictures = [
        HeatedPicture(_caption(result, part), part.picture, part.heatmap, np.zeros((0, 4))) for part in cells
    ]
    columns = min(COLUMNS, len(cells))
    return draw_pictures_over_sum(
        title, details, pictures, columns, _HEIGHT, waterfall(result.sum()), _NARROW
    )


def drawn_cells(result: Recounting) -> list[Cells]:
    """The moments whose heat is drawn: of all explained ones those that add most, in order of time."""
    added = dict(zip(result.moments["moment"], result.moments["contribution"].abs(), strict=True))
    strongest = sorted(result.cells, key=lambda part: -added[part.moment])[:PICTURES]
    return sorted(strongest, key=lambda part: seconds_of(part.moment))


def _caption(result: Recounting, part: Cells) -> str:
    added = dict(zip(result.moments["moment"], result.moments["contribution"].tolist(), strict=True))
    return f"{clock(seconds_of(part.moment))}: {signed(added[part.moment], 3)}"
