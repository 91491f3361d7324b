"""A map of a collection: images as points, near where their descriptors are similar."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from workbench.analysis.map_method import METHODS
from workbench.figures.map_points import MOST_DRAWN, PLAIN_FROM, axes_of, by_label, by_value, values_of
from workbench.figures.narrow_layout import SCALE, narrow, scale_below
from workbench.figures.style import LEGEND_BELOW, Figure, new_figure, notice, subtitle, text

NARROW = 680  # pixels of a chart with the legend below its map
MAP = 350  # pixels of a map above its legend
LEGEND = 300  # pixels of a legend below a map; it scrolls if it is longer
_HEADINGS = {"cluster": "Cluster (k-means)"}


def embedding(
    frame: pd.DataFrame,
    colour: Any = "cluster",
    *,
    heading: str = "",
    limits: tuple[float, float] | None = None,
    first: str | None = None,
    named: bool = True,
) -> Figure:
    """The images of a map, coloured by a column, or by labels or numbers of the images.

    ``frame`` is a table of image_id, x, y and, for a map in space, z. Labels and numbers are a mapping or a
    Series by image_id, or a sequence in the order of the table: floating-point numbers are shown on a
    continuous scale, anything else as labels. ``heading`` names them, ``limits`` are the ends of the scale,
    ``first`` is a label with an entry of its own in the legend even if there are many, and ``named`` shows
    the images' names on hovering. Raises WorkbenchError for a column that does not exist, or a sequence of
    another length.
    """
    axes, made = axes_of(frame), frame.attrs
    title = map_title(made)
    if frame.empty:
        return notice("There is no image on this map.", title)
    name, values = values_of(frame, colour)
    heading = heading or _HEADINGS.get(name, name)
    if pd.api.types.is_float_dtype(values.dtype):
        traces, layout = by_value(frame, values.to_numpy(float, na_value=np.nan), heading, limits, named)
    else:
        labels = [None if pd.isna(value) else str(value) for value in values]
        traces, layout = by_label(frame, labels, heading, first, named)
    figure = new_figure(
        title,
        map_subtitle(made, len(frame), [made.get("pipeline", "")]),
        hovermode="closest",
        height=640,
        **layout,
    )
    figure.add_traces(traces)
    _narrow(figure, len(traces))
    if len(frame) <= PLAIN_FROM:  # each step of the wheel draws all points
        figure.update_layout(meta={**(figure.layout.meta or {}), "scroll_zoom": True})
    if len(axes) == 3:
        narrow(figure, NARROW, scene={"camera": {"eye": dict.fromkeys("xyz", 1.8)}})  # of longer titles
        return figure.update_layout(scene=space(made))
    figure.update_layout(dragmode="lasso")
    return figure.update_layout(plane(made))


def _narrow(figure: Figure, entries: int) -> None:
    """Name the layout of a narrow chart: the legend or scale below the map."""
    legend = {**LEGEND_BELOW, "maxheight": LEGEND}
    if figure.layout.coloraxis.cmin is not None:
        scale = {"colorbar": scale_below(MAP)}
        height = MAP + 64 + SCALE
        narrow(figure, NARROW, height=height, margin={"b": SCALE}, coloraxis=scale, legend=legend)
    else:
        narrow(figure, NARROW, height=MAP + 112 + min(LEGEND, 60 + 19 * entries), legend=legend)


def plane(
    made: Mapping[Any, Any], number: str = "", domain: tuple[float, float] = (0, 1), top: float = 1
) -> dict[str, Any]:
    """The layout of the axes of a map in the plane: equal scales, since it shows distances."""
    across, up = axis_titles(made, 2)
    common = {"showticklabels": _measured(made), "zeroline": False}
    return {
        f"xaxis{number}": {"title": {"text": across}, "domain": domain, "anchor": f"y{number}", **common},
        f"yaxis{number}": {
            "title": {"text": up},
            "domain": (0, top),
            "scaleanchor": f"x{number}",
            "anchor": f"x{number}",
            **common,
        },
    }


def space(made: Mapping[Any, Any], domain: tuple[float, float] = (0, 1), top: float = 1) -> dict[str, Any]:
    """The layout of the scene of a map in space: equal scales."""
    ticks = _measured(made)
    axes = {
        f"{axis}axis": {"title": {"text": title}, "showticklabels": ticks}
        for axis, title in zip("xyz", axis_titles(made, 3), strict=True)
    }
    camera = {"eye": dict.fromkeys("xyz", 1.5)}  # from where the titles of axes are seen as well
    return {**axes, "aspectmode": "data", "camera": camera, "domain": {"x": domain, "y": (0, top)}}


def _measured(made: Mapping[Any, Any]) -> bool:
    """Whether coordinates mean something: those of PCA are in units of the descriptor."""
    return made.get("method") == "pca"


def map_title(made: Mapping[Any, Any]) -> str:
    """The title of a map that was made so."""
    method = METHODS.get(made.get("method", ""))
    return "Embedding map" + (f" by {method}" if method else "")


def map_subtitle(made: Mapping[Any, Any], count: int, pipelines: Sequence[str], *more: str) -> str:
    """The collection, the pipeline if there is one, the parameters and the number of images."""
    collection = made.get("collection", "")
    pipeline = text(pipelines[0]) if len(pipelines) == 1 else ""
    sampled = f", {MOST_DRAWN:,} of them drawn, at random" if count > MOST_DRAWN else ""
    parts = (text(collection), pipeline, parameters(made), *more, f"n = {count:,} images{sampled}")
    return subtitle(*parts, collection=collection, pipelines=pipelines)


def parameters(made: Mapping[Any, Any]) -> str:
    """The parameters of a map in words."""
    used = made.get("parameters", {})
    words = {
        "neighbours": "{} neighbours",
        "min_distance": "minimum distance {:g}",
        "perplexity": "perplexity {:.3g}",
    }
    return ", ".join(words[name].format(value) for name, value in used.items() if name in words)


def axis_titles(made: Mapping[Any, Any], dimensions: int) -> list[str]:
    """The title of each axis; of PCA with the share of the variance."""
    if made.get("method") == "pca":
        shares = made.get("explained_variance")
        return [
            f"principal axis {n + 1}" + (f" ({100 * shares[n]:.1f} % of the variance)" if shares else "")
            for n in range(dimensions)
        ]
    method = METHODS.get(made.get("method", ""), "axis")
    return [f"{method} {n + 1} (no unit)" for n in range(dimensions)]
