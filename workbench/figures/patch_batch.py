"""A batch of HardNet's training: anchors, positives, their two hardest negatives, and which is taken."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from workbench.common.palette import NEUTRAL
from workbench.common.picture_bytes import data_uri, png
from workbench.figures.style import ADDS, Figure, new_figure, subtitle, text

if TYPE_CHECKING:
    from workbench.learning.hardnet.inspection import MinedBatch

PAIRS = 8  # drawn, at equal steps through the batch
_ROWS = ("anchor", "positive", "nearest<br>positive", "nearest<br>anchor")
_HEIGHT, _LEFT = 1.28, 1.0  # of a row with its caption, and of the titles of rows; a patch is 1 wide
_STEP = 1.08  # from a patch to the next in its row
_PIXELS = 92  # of a patch on screen


def patch_batch(batch: MinedBatch) -> Figure:
    """A column for each pair that is drawn: anchor, positive, and the nearest wrong patch of either.

    Captions are distances to the anchor or the positive; the negative that the loss takes is framed.
    """
    drawn = drawn_pairs(batch)
    width, height = _LEFT + _STEP * len(drawn), _HEIGHT * len(_ROWS)
    figure = new_figure(
        f"HardNet batch {batch.number + 1}: mean loss {batch.loss.mean():.2f}",
        subtitle(
            f"n = {len(batch):,} pairs, {len(drawn)} of them drawn",
            f"distances by {text(batch.network)}" if batch.network else "",
            "loss: 1 + distance of the positive − distance of the negative taken, at least 0",
            collection=batch.collection,
        ),
        height=round(_PIXELS * height + 90),
        margin={"l": 8, "r": 8, "b": 8},
    )
    extent = {"ratio": height / width, "around": 90, "most": _PIXELS * height}
    figure.update_layout(meta={"pictures": extent})
    hidden = {"visible": False, "showgrid": False, "zeroline": False}
    figure.update_xaxes(range=[0, width], constrain="domain", constraintoward="left", **hidden)
    figure.update_yaxes(
        range=[height, 0], scaleanchor="x", constrain="domain", constraintoward="top", **hidden
    )
    anchors, positives = batch.pairs.anchors, batch.pairs.positives
    x, y, ids, captions = [], [], [], []
    for column, pair in enumerate(drawn):
        by_row, by_column = int(batch.by_row[pair]), int(batch.by_column[pair])
        cells = (
            (anchors[pair], pair, None, False),
            (positives[pair], pair, batch.matching[pair], False),
            (positives[by_row], by_row, batch.row_distance[pair], bool(batch.from_row[pair])),
            (anchors[by_column], by_column, batch.column_distance[pair], not batch.from_row[pair]),
        )
        for row, (patch, of, distance, taken) in enumerate(cells):
            left, top = _LEFT + _STEP * column, _HEIGHT * row
            _add_patch(figure, patch, left, top, distance, taken)
            title = _ROWS[row].replace("<br>", " ")
            measured = "" if distance is None else f", distance {distance:.3f}"
            x.append(left + 0.5)
            y.append(top + 0.5)
            ids.append(f"{pair} {title}")
            captions.append(
                f"pair {pair + 1}, {title}{measured}{', taken' if taken else ''}, {text(batch.photos[of])}"
            )
    figure.add_scatter(
        x=x,
        y=y,
        mode="markers",
        marker={"size": 40, "symbol": "square", "opacity": 0, "color": NEUTRAL},
        ids=ids,
        hovertext=captions,
        hoverinfo="text",
        showlegend=False,
    )
    for row, title in enumerate(_ROWS):
        figure.add_annotation(
            **{"x": 0, "y": _HEIGHT * row + 0.5, "text": title, "showarrow": False},
            **{"xanchor": "left", "align": "left"},
        )
    return figure


def drawn_pairs(batch: MinedBatch) -> list[int]:
    """The numbers of the pairs that are drawn."""
    return list(range(0, len(batch), max(1, len(batch) // PAIRS)))[:PAIRS]


def _add_patch(
    figure: Figure, patch: np.ndarray, left: float, top: float, distance: float | None, taken: bool
) -> None:
    """A patch uint8 [32, 32] with its distance below it, and a frame if it is taken."""
    figure.add_layout_image(
        source=data_uri(png(Image.fromarray(patch))),
        **{"xref": "x", "yref": "y", "x": left, "y": top, "sizex": 1, "sizey": 1},
        **{"sizing": "stretch", "layer": "below"},
    )
    if taken:
        line = {"color": ADDS, "width": 3}
        figure.add_shape(type="rect", x0=left, y0=top, x1=left + 1, y1=top + 1, line=line)
    if distance is not None:
        figure.add_annotation(
            **{"x": left + 0.5, "y": top + 1, "yanchor": "top", "showarrow": False, "borderpad": 0},
            text=f"<b>{distance:.2f} taken</b>" if taken else f"{distance:.2f}",
            font={"size": 11},
        )
