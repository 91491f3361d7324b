"""The traces of a plotly figure, drawn on axes of matplotlib; each kind returns its mark in the legend."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
from matplotlib import colors
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from numpy.typing import NDArray
from plotly.colors import sample_colorscale

from workbench.figures.style import plain as without_markup

Color = tuple[float, float, float, float]  # red, green, blue and opacity, 0…1

PIXEL = 0.75  # points
MANY = 5000  # points or cells from which an SVG holds their picture
DASHES: dict[str | None, Any] = {
    "dash": "--", "dot": ":", "dashdot": "-.", "longdash": (0, (8, 3)), "longdashdot": (0, (8, 3, 2, 3)),
}  # fmt: skip
_SYMBOLS = {
    "circle": "o", "diamond": "D", "square": "s", "triangle-up": "^", "triangle-down": "v", "cross": "P",
    "x": "X", "star": "*", "hexagon": "h", "line-ns": "|", "line-ew": "_",
}  # fmt: skip


def plain(markup: object) -> str:
    """The text of a title or label of plotly without its markup, in lines."""
    return without_markup(markup, "\n")


def rgba(color: Any, opacity: float | None = None) -> Color:
    """A colour of CSS as red, green, blue and opacity 0…1."""
    numbers = re.findall(r"[\d.]+", color) if str(color).startswith("rgb") else []
    parts = [float(part) / 255 for part in numbers[:3]] + [float(part) for part in numbers[3:]]
    given: Any = tuple(parts) if parts else color
    red, green, blue, alpha = colors.to_rgba(given)
    return red, green, blue, alpha * (1 if opacity is None else opacity)


def scatter(axes: Axes, trace: Any, color: str) -> Artist:
    """Lines and markers with their error bars and text."""
    x, y = _numbers(trace.x), _numbers(trace.y)
    mode = trace.mode or ("lines" if len(x) > 20 else "lines+markers")
    width = 2 if trace.line.width is None else trace.line.width
    lines, markers = "lines" in mode and width > 0, "markers" in mode
    if isinstance(trace.marker.color, str):
        color = trace.marker.color
    shade = rgba(trace.line.color or color, trace.opacity)
    style: dict[str, Any] = {"color": shade, "linewidth": width * PIXEL if lines else 0}
    style["linestyle"] = DASHES.get(trace.line.dash, "-") if lines else "none"
    if trace.fill:
        filled = rgba(trace.fillcolor or color, None if trace.fillcolor else 0.5)
        axes.fill(x, y, color=filled, linewidth=0)
    axes.plot(x, y, **style)
    faces = _colors(trace.marker, color, trace.opacity, len(x))
    sizes = np.broadcast_to(np.asarray(trace.marker.size or 6, float), len(x)) * PIXEL
    symbols = trace.marker.symbol
    symbol = symbols[0] if isinstance(symbols, (tuple, list, np.ndarray)) else symbols or "circle"
    shape, hollow = _SYMBOLS.get(str(symbol).removesuffix("-open"), "o"), str(symbol).endswith("-open")
    if markers:
        fill: dict[str, Any] = {"facecolors": "none" if hollow else faces}
        fill["edgecolors"] = faces if hollow else "none"
        axes.scatter(x, y, sizes**2, **fill, marker=shape, zorder=3, rasterized=len(x) > MANY)
    for name, bars in (("xerr", trace.error_x), ("yerr", trace.error_y)):
        if bars.array is not None:
            above = _numbers(bars.array)
            below = above if bars.arrayminus is None else _numbers(bars.arrayminus)
            lengths: dict[str, Any] = {name: [below, above]}
            axes.errorbar(x, y, **lengths, fmt="none", ecolor=rgba(bars.color or color), capsize=3)
    if "text" in mode and trace.text is not None:
        _write(axes, x, y, trace.text, trace.textposition or "middle center")
    first = faces[0] if faces else shade
    face: dict[str, Any] = {"markerfacecolor": "none" if hollow else first, "markeredgecolor": first}
    return Line2D([], [], **style, marker=shape if markers else "", **face)


def bar(axes: Axes, trace: Any, color: str) -> Artist:
    """Bars from ``base``, upright or lying."""
    lying = trace.orientation == "h"
    places, lengths = map(_numbers, (trace.y, trace.x) if lying else (trace.x, trace.y))
    starts = np.broadcast_to(np.asarray(0 if trace.base is None else trace.base, float), len(places))
    faces = _colors(trace.marker, color, trace.opacity, len(places))
    widths = 0.8 if trace.width is None else np.asarray(trace.width, float)
    if lying:
        axes.barh(places, lengths, widths, starts, color=faces)
    else:
        axes.bar(places, lengths, widths, starts, color=faces)
    if trace.text is not None and trace.textposition != "none":
        ends = starts + lengths
        if lying:
            _write(axes, ends, places, trace.text, "middle right")
        else:
            _write(axes, places, ends, trace.text, "top center")
    return Patch(color=rgba(trace.marker.color if isinstance(trace.marker.color, str) else color))


def heatmap(axes: Axes, trace: Any, _: str) -> None:
    """Cells in the colours of the trace, with their scale and text."""
    z = np.ma.masked_invalid(np.array(trace.z, float))
    x = np.arange(z.shape[1]) if trace.x is None else _numbers(trace.x)
    y = np.arange(z.shape[0]) if trace.y is None else _numbers(trace.y)
    scale = trace.colorscale or trace.parent.layout.template.layout.colorscale.sequential
    shades = colors.LinearSegmentedColormap.from_list("", [(place, rgba(color)) for place, color in scale])
    top = max(abs(z.max()), abs(z.min())) if trace.zmid is not None else z.max()
    low = trace.zmin if trace.zmin is not None else -top if trace.zmid is not None else z.min()
    high = trace.zmax if trace.zmax is not None else top
    cells = axes.pcolormesh(
        x, y, z, cmap=shades, vmin=low, vmax=high, shading="nearest", rasterized=z.size > MANY
    )
    if trace.showscale is not False:
        bar = axes.figure.colorbar(cells, cax=axes.inset_axes((1.02, 0, 0.02, 1)))
        bar.set_label(plain(trace.colorbar.title.text))
    if trace.text is not None and trace.texttemplate:
        for row, labels in zip(y, trace.text, strict=True):
            for column, label in zip(x, labels, strict=True):
                axes.text(column, row, plain(label), ha="center", va="center")


KINDS: dict[str, Callable[[Axes, Any, str], Artist | None]] = {
    "scatter": scatter, "scattergl": scatter, "bar": bar, "heatmap": heatmap,
}  # fmt: skip


def _numbers(values: Any) -> NDArray[np.float64]:
    given = () if values is None else values
    return np.array([np.nan if value is None else value for value in given], float)


def _colors(marker: Any, color: str, opacity: float | None, count: int) -> list[Color]:
    """The colour of each point: the same for all, given by name, or of a colour scale."""
    given = color if marker.color is None else marker.color
    if not isinstance(given, str) and not all(isinstance(value, str) for value in given):
        values = np.asarray(given, float)
        low = np.nanmin(values) if marker.cmin is None else marker.cmin
        high = np.nanmax(values) if marker.cmax is None else marker.cmax
        shares = np.nan_to_num((values - low) / ((high - low) or 1)).clip(0, 1)
        given = sample_colorscale(marker.colorscale or "Viridis", shares)
    each_opacity = 1 if marker.opacity is None else np.asarray(marker.opacity)
    opacities = (1 if opacity is None else opacity) * each_opacity
    each = np.broadcast_to(given, count), np.broadcast_to(opacities, count)
    return [rgba(shade, float(part)) for shade, part in zip(*each, strict=True)]


def _write(axes: Axes, x: NDArray[np.float64], y: NDArray[np.float64], texts: Any, position: str) -> None:
    """Write a text beside each point; ``position`` is plotly's, such as "middle right"."""
    down, across = position.split()
    sides = {"right": ("left", 4), "left": ("right", -4), "center": ("center", 0)}
    rises = {"top": ("bottom", 3), "bottom": ("top", -3), "middle": ("center", 0)}
    (ha, dx), (va, dy) = sides[across], rises[down]
    for place_x, place_y, text in zip(x, y, np.broadcast_to(texts, len(x)), strict=True):
        style: dict[str, Any] = {"textcoords": "offset points", "ha": ha, "va": va, "annotation_clip": False}
        axes.annotate(plain(text), (place_x, place_y), (dx, dy), **style)
