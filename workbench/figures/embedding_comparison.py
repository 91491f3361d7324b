"""The maps of two pipelines side by side: each image coloured by how far its neighbours agree."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from workbench.figures.embedding import map_subtitle, map_title, plane, space
from workbench.figures.map_points import axes_of, border, colour_axis, drawn_rows, marker_size, points
from workbench.figures.narrow_layout import SCALE, captions, narrow, scale_below, stacked
from workbench.figures.style import Figure, new_figure, notice, text

if TYPE_CHECKING:
    from workbench.analysis.embedding_comparison import EmbeddingComparison

_TOP = 0.94  # of the maps; above it are the names of the pipelines
_STACKED = ((680, 400), (400, 300))  # pixels of a chart whose maps are below one another, and of a map in it
_GAP, _TOP_STACKED = 60, 88  # pixels between the maps of a stack, and above both


def embedding_comparison(comparison: EmbeddingComparison, named: bool = True) -> Figure:
    """Both maps, each image coloured by the share of its nearest neighbours that both pipelines have.

    A trace's ``meta`` names in ``linked`` the trace of the other map, whose points are the same images in the
    same order.
    """
    maps, attrs = (comparison.map_a, comparison.map_b), comparison.map_a.attrs
    count, spatial = len(comparison.map_a), len(axes_of(comparison.map_a)) == 3
    title = f"{map_title(attrs)}: two pipelines"
    values = 100 * comparison.agreement["agreement"].to_numpy(float)
    if not np.isfinite(values).all():
        return notice("There is one image, which has no neighbours to compare.", title)
    shared = f"agreement of the {comparison.k} nearest neighbours: mean {values.mean():.1f} %"
    figure = new_figure(
        title,
        map_subtitle(attrs, count, [comparison.a, comparison.b], shared),
        hovermode="closest",
        height=560,
        coloraxis=colour_axis(values, f"agreement of the {comparison.k} nearest, %", (0, 100)),
        showlegend=False,
    )
    rows = drawn_rows(count)
    for n, (frame, pipeline) in enumerate(zip(maps, (comparison.a, comparison.b), strict=True)):
        number, domain = ("", "2")[n], ((0, 0.48), (0.52, 1))[n]
        where = {"scene": f"scene{number}"} if spatial else {"xaxis": f"x{number}", "yaxis": f"y{number}"}
        marker = {
            "size": marker_size(comparison.map_a),
            "color": values[rows].astype(np.float32),
            "coloraxis": "coloraxis",
            "line": border(comparison.map_a),
        }
        name = text(pipeline)
        figure.add_trace(
            points(frame, rows, named, name=name, marker=marker, meta={"linked": 1 - n}, **where)
        )
        if spatial:
            figure.update_layout({f"scene{number}": space(frame.attrs, domain, _TOP)})
        else:
            figure.update_layout(plane(frame.attrs, number, domain, _TOP))
        figure.add_annotation(
            text=f"{'AB'[n]}: {name}",
            x=domain[0],
            y=1,
            xref="paper",
            yref="paper",
            xanchor="left",
            yanchor="top",
            showarrow=False,
        )
    if not spatial:
        figure.update_layout(dragmode="lasso")
    captions(figure, [0.4, 0.4])
    _stack(figure, spatial)
    return figure


def _stack(figure: Figure, spatial: bool) -> None:
    """Name the layout of a narrow chart: the maps below one another, and their scale below both."""
    for below, side in _STACKED:
        domains = stacked([side, side], [_GAP])
        maps = {
            f"scene{number}": {"domain": {"x": [0, 1], "y": domain}}
            if spatial
            else {f"xaxis{number}": {"domain": [0, 1]}, f"yaxis{number}": {"domain": domain}}
            for number, domain in zip(("", "2"), domains, strict=True)
        }
        narrow(
            figure,
            below,
            height=2 * side + _GAP + _TOP_STACKED + SCALE,
            margin={"t": _TOP_STACKED, "b": SCALE},
            coloraxis={"colorbar": scale_below(2 * side + _GAP)},
            annotations=[
                {**title.to_plotly_json(), "x": 0, "y": top, "yanchor": "bottom"}
                for title, (_, top) in zip(figure.layout.annotations, domains, strict=True)
            ],
            meta={"captions": [1, 1]},
            **(maps if spatial else {name: axis for part in maps.values() for name, axis in part.items()}),
        )
