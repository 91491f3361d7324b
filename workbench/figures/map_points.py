"""The points of a map as traces: in the plane or in space, by label or by a continuous value."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from workbench.common.palette import NEUTRAL, PALETTE
from workbench.config.errors import WorkbenchError
from workbench.figures.style import SYMBOLS, WEBGL_FROM, text

# Those of plotly's eight symbols in space.
SYMBOLS_3D = ("circle", "diamond", "square", "cross", "x", "circle-open", "diamond-open", "square-open")
LOOKS = len(PALETTE) * len(SYMBOLS)  # pairs of colour and symbol
PLAIN_FROM = 20_000  # points, too small to see a symbol or a border; circles are drawn twice as fast
MOST_DRAWN = 50_000  # points of a map: of more images, a random sample is drawn
# The most points, and the diameter of each in pixels.
_SIZES = ((600, 9), (3000, 7), (PLAIN_FROM, 5), (np.inf, 3))
_LEGEND_HINT = "click: only this, double click: hide"


def drawn_rows(count: int, rows: np.ndarray | None = None) -> np.ndarray:
    """Those of the ``rows`` (None: all) of a map of ``count`` images that are drawn: all of them, or those in
    a random sample of MOST_DRAWN images, which is the same on every call."""
    rows = np.arange(count) if rows is None else rows
    if count <= MOST_DRAWN:
        return rows
    sample = np.zeros(count, bool)
    sample[np.random.default_rng(0).choice(count, MOST_DRAWN, replace=False)] = True
    return rows[sample[rows]]


def axes_of(frame: pd.DataFrame) -> list[str]:
    """The columns of the positions: x, y and, in space, z. Raises WorkbenchError if x or y is missing."""
    missing = [name for name in ("image_id", "x", "y") if name not in frame]
    if missing:
        raise WorkbenchError(f"the table has no column {missing[0]!r}; a map has image_id, x, y and cluster")
    return [name for name in "xyz" if name in frame]


def marker_size(frame: pd.DataFrame) -> int:
    """The diameter in pixels of each point of a map; in space, those in front would hide the others."""
    size = next(size for most, size in _SIZES if len(frame) <= most)
    return size if len(axes_of(frame)) == 2 else max(2, size // 2)


def border(frame: pd.DataFrame) -> dict[str, Any]:
    """The border of points whose colour, at an end of a scale, may be near that of the ground."""
    return {"width": 0 if len(frame) > PLAIN_FROM else 0.5, "color": NEUTRAL}


def points(frame: pd.DataFrame, rows: np.ndarray, named: bool, **options: Any) -> Any:
    """The trace of some rows of a map, with the images as ``ids``; ``named``: names are shown on hovering."""
    chosen = frame.iloc[rows]
    images, axes = chosen["image_id"].tolist(), axes_of(frame)
    flat = go.Scattergl if len(frame) > WEBGL_FROM else go.Scatter
    trace = go.Scatter3d if len(axes) == 3 else flat
    hover = {"hovertext": [text(image) for image in images], "hoverinfo": "text"}
    positions = {axis: chosen[axis].to_numpy(np.float32) for axis in axes}
    return trace(
        mode="markers", ids=images, **positions, **(hover if named else {"hoverinfo": "none"}), **options
    )


def by_label(
    frame: pd.DataFrame, labels: Sequence[str | None], heading: str, first: str | None, named: bool
) -> tuple[list[Any], dict[str, Any]]:
    """Traces of points by label, and the layout of their legend.

    LOOKS labels have a trace with a colour and a symbol of their own. If there are more, ``first`` and the
    most frequent ones have; the others share the circle, in colours that recur, and one entry of the legend.
    """
    counts = Counter(label for label in labels if label is not None)
    ranked = sorted(counts, key=lambda label: (label != first, -counts[label], label))
    shown = ranked if len(ranked) <= LOOKS else ranked[: LOOKS - 1]
    shown = sorted(shown, key=lambda label: (0, len(label), label) if label.isdigit() else (1, 0, label))
    number = {label: n for n, label in enumerate(shown)}
    code = np.array([-1 if x is None else number.get(x, LOOKS) for x in labels], int).reshape(-1)
    size = marker_size(frame)
    symbols = SYMBOLS_3D if len(axes_of(frame)) == 3 else SYMBOLS
    traces = []

    drawn = drawn_rows(len(frame))

    def add(which: int, name: str, **marker: Any) -> None:
        marker = {"size": size, "opacity": 0.85} | marker
        name = f"{name} ({np.count_nonzero(code == which):,})"
        traces.append(points(frame, drawn[code[drawn] == which], named, name=name, marker=marker))

    if (code == -1).any():
        add(-1, "none", color=NEUTRAL, opacity=0.4)
    if len(ranked) > len(shown):
        rows = drawn[code[drawn] == LOOKS]
        place = {label: n % len(PALETTE) for n, label in enumerate(ranked)}
        steps = [(n + end, colour) for n, colour in enumerate(PALETTE) for end in (0, 1)]
        scale = [[at / len(PALETTE), colour] for at, colour in steps]
        add(
            LOOKS,
            f"{len(ranked) - len(shown):,} other labels",
            color=np.array([place[str(labels[int(row)])] + 0.5 for row in rows], np.float32),
            cmin=0,
            cmax=len(PALETTE),
            colorscale=scale,
            showscale=False,
        )
    for label, n in number.items():
        colour, turn = n % len(PALETTE), n // len(PALETTE)
        # Labels that follow one another differ in colour and in symbol.
        symbol = "circle" if len(frame) > PLAIN_FROM else symbols[(colour + turn) % len(symbols)]
        add(n, text(label, 32), color=PALETTE[colour], symbol=symbol)
    title = f"{text(heading)}<br><sub>{_LEGEND_HINT}</sub>"
    legend = {
        "title": {"text": title},
        "itemclick": "toggleothers",
        "itemdoubleclick": "toggle",
        "itemsizing": "constant",
    }
    return traces, {"legend": legend, "showlegend": True}


def by_value(
    frame: pd.DataFrame, values: np.ndarray, heading: str, limits: tuple[float, float] | None, named: bool
) -> tuple[list[Any], dict[str, Any]]:
    """Traces of points by a continuous value, those without a value in grey, and the layout of the scale."""
    known = np.isfinite(values)
    size = marker_size(frame)
    traces = []
    if not known.all():
        rows, marker = np.flatnonzero(~known), {"size": size, "color": NEUTRAL, "opacity": 0.4}
        name = f"no value ({len(rows):,})"
        traces.append(
            points(frame, drawn_rows(len(frame), rows), named, name=name, marker=marker, showlegend=True)
        )
    if known.any():
        rows = drawn_rows(len(frame), np.flatnonzero(known))
        traces.append(
            points(
                frame,
                rows,
                named,
                showlegend=False,
                marker={
                    "size": size,
                    "color": values[rows].astype(np.float32),
                    "coloraxis": "coloraxis",
                    "line": border(frame),
                },
            )
        )
    return traces, {"coloraxis": colour_axis(values[known], heading, limits)} if known.any() else {}


def colour_axis(
    values: np.ndarray, heading: str, limits: tuple[float, float] | None = None
) -> dict[str, Any]:
    """The scale of values, from ``limits`` or from the smallest to the largest."""
    low, high = limits or (float(values.min()), float(values.max()))
    if low == high:
        low, high = low - 0.5, high + 0.5
    bar = {"title": {"text": text(heading), "side": "right"}, "thickness": 14}
    return {"colorscale": "Viridis", "cmin": low, "cmax": high, "colorbar": bar}


def values_of(frame: pd.DataFrame, colour: Any) -> tuple[str, pd.Series]:
    """The name of a colour, and its value for each row: of a column, or given by image id or by row.

    Raises WorkbenchError if there is no such column, or if a sequence has another length than the map.
    """
    if isinstance(colour, str):
        if colour not in frame:
            columns = ", ".join(map(repr, frame.columns))
            raise WorkbenchError(f"the map has no column {colour!r}; its columns are {columns}")
        return colour, pd.Series(frame[colour])
    if isinstance(colour, Mapping):
        return "label", pd.Series([colour.get(image) for image in frame["image_id"]])
    if isinstance(colour, pd.Series):
        name = str(colour.name) if colour.name is not None else "label"
        if not colour.index.is_unique:
            raise WorkbenchError(f"{name!r} has more than one value for an image; give one for each")
        if isinstance(colour.index, pd.RangeIndex) and len(colour) == len(frame):
            return name, colour
        return name, colour.reindex(frame["image_id"].to_numpy())
    listed = pd.Series(list(colour))
    if len(listed) != len(frame):
        raise WorkbenchError(f"{len(listed):,} values for {len(frame):,} images; give one for each image")
    return "label", listed
