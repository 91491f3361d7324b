"""The score of a text as a sum over concepts, beside the picture under the heat of all or of one of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from workbench.collections.named_picture import NamedPicture
from workbench.common.palette import NEUTRAL
from workbench.figures.heat_colours import heat_scale
from workbench.figures.heated_picture import add_picture
from workbench.figures.narrow_layout import captions, narrow, stacked, stacked_annotations
from workbench.figures.style import ADDS, Figure, new_figure, subtitle, text

if TYPE_CHECKING:
    from workbench.explain.text import TextExplanation

CONCEPTS = 8  # that have a bar
LEAST = 0.0005  # of a contribution with a bar of its own: smaller ones are 0.000
PICTURE, ROW, TOP, BOTTOM = 320, 26, 84, 64  # pixels: the plots' least height, of a bar, and around both
LINES = 7  # that have room, so that few bars are not thick
# Pixels of a chart below which the bars are below the picture, and of the picture then.
STACKED = ((600, 320), (440, 220))
GAP = 96  # pixels between them then, for the scale of the heat


def text_explanation(why: TextExplanation, concept: str = "") -> Figure:
    """The picture under its heat, of ``concept`` or of all, and the concepts that add the most to the score.

    Raises WorkbenchError if ``concept`` is not one.
    """
    heat = why.heatmap_of(concept) if concept else why.heatmap
    if why.concepts.empty:
        return _heat_alone(why)
    rows = why.concepts[why.concepts["contribution"] >= LEAST].head(CONCEPTS)
    others = why.score - float(rows["contribution"].sum())
    values = [*rows["contribution"].to_numpy(float), others, why.score]
    names = [
        *(text(name, 28) for name in rows["concept"]),
        f"{len(why.concepts) - len(rows):,} others",
        "<b>score</b>",
    ]
    height = max(PICTURE, ROW * len(values))
    of = f" in {text(why.picture.name, 40)}" if why.picture else ""
    figure = new_figure(
        f"{text(why.text, 50)} {why.score:.3f}{of}",
        subtitle(
            f"n = {len(why.concepts):,} concepts",
            f"heat of {text(concept, 28)}" if concept else "",
            f"cells sum to {heat.sum():.3f}",
            collection=why.collection,
        ),
        height=height + TOP + BOTTOM,
        margin={"t": TOP, "b": BOTTOM, "r": 48},
        showlegend=False,
    )
    figure.set_subplots(
        rows=1,
        cols=2,
        column_widths=[0.46, 0.54],
        horizontal_spacing=0.2,
        subplot_titles=[f"Heat of {text(concept, 28) if concept else 'all concepts'}", "Concepts"],
    )
    figure.update_annotations(font_size=12)
    picture = why.picture or NamedPicture("", Image.new("RGB", (4, 3), "white"))
    add_picture(figure, 1, picture, heat, np.empty((0, 4)))
    hover = [
        *(
            f"{text(row.concept)}<br>similarity {row.similarity:.2f} (nearest name: {text(row.name)}), "
            f"weight {row.weight:.3f}<br>probability {row.probability:.3f}"
            for row in rows.rename(columns={"nearest name": "name"}).itertuples()
        ),
        "all other concepts",
        "the sum",
    ]
    figure.add_bar(
        orientation="h",
        x=values,
        y=list(range(len(values))),
        marker={"color": [ADDS] * len(rows) + [NEUTRAL] * 2, "line": {"width": 0}},
        text=[f"{value:.3f}" for value in values],
        textposition="outside",
        cliponaxis=False,
        hovertext=hover,
        hoverinfo="text+x",
        row=1,
        col=2,
    )
    figure.update_xaxes(
        title={"text": "weight × probability"}, range=[0, 1.2 * max(*values, 1e-3)], row=1, col=2
    )
    figure.update_yaxes(
        tickvals=list(range(len(values))),
        ticktext=names,
        range=[max(len(values), LINES) - 0.4, -0.6],
        row=1,
        col=2,
    )
    figure.update_yaxes(showgrid=False, zeroline=False, row=1, col=2)
    _scale(figure, heat, 0.4)
    _stack(figure, ROW * max(len(values), LINES))
    return figure


def _heat_alone(why: TextExplanation) -> Figure:
    """The picture under its heat: a vision–language model has no concepts."""
    of = f" in {text(why.picture.name, 40)}" if why.picture else ""
    figure = new_figure(
        f"{text(why.text, 50)} {why.score:.3f}{of}",
        subtitle(
            f"n = {why.heatmap.size:,} cells, which sum to {why.heatmap.sum():.3f}", collection=why.collection
        ),
        height=PICTURE + TOP + BOTTOM,
        margin={"t": TOP, "b": BOTTOM, "r": 48},
        showlegend=False,
    )
    figure.set_subplots(rows=1, cols=1)
    picture = why.picture or NamedPicture("", Image.new("RGB", (4, 3), "white"))
    add_picture(figure, 1, picture, why.heatmap, np.empty((0, 4)))
    _scale(figure, why.heatmap, 0.6)
    figure.update_layout(coloraxis={"colorbar": {"x": 0.5, "xanchor": "center"}})
    return figure


def _scale(figure: Figure, heat: np.ndarray, length: float) -> None:
    """The signed colours of the heat, and their scale below the picture."""
    top = max(float(np.abs(heat).max(initial=0)), 1e-9)
    scale = {"title": {"text": "contribution of a cell", "side": "top", "font": {"size": 11}}}
    figure.update_layout(
        coloraxis={
            "colorscale": heat_scale(signed=True),
            **{"cmin": -top, "cmax": top},
            "colorbar": {
                **scale,
                **{"orientation": "h", "x": 0, "xanchor": "left", "y": 0, "yanchor": "top", "len": length},
                **{"thickness": 10, "tickformat": "+.2~g", "tickfont": {"size": 10}},
            },
        }
    )


def _stack(figure: Figure, bars: int) -> None:
    """Name the layout of a narrow chart: the picture, its scale and the bars below one another."""
    captions(figure, [0.46, 0.54])
    for below, side in STACKED:
        heights = [side, bars]
        domains = stacked(heights, [GAP])
        narrow(
            figure,
            below,
            height=sum(heights) + GAP + TOP + BOTTOM,
            annotations=stacked_annotations(figure, domains),
            coloraxis={"colorbar": {"y": domains[0][0], "len": 0.9}},
            meta={"captions": [1.0, 1.0]},
            xaxis={"domain": [0, 1], "constraintoward": "left"},
            yaxis={"domain": domains[0]},
            xaxis2={"domain": [0.4, 1]},
            yaxis2={"domain": domains[1]},
        )
