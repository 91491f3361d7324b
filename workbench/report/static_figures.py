"""Figures as SVG for a page without script: by kaleido where it works, else redrawn by matplotlib."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import plotly.graph_objects as go
import plotly.io as pio

from workbench.config.errors import WorkbenchError
from workbench.figures.images import offline_kaleido
from workbench.figures.style import DARK, LIGHT, Figure

SCHEMES = {"light": LIGHT, "dark": DARK}
WIDTH, HEIGHT = 1008, 420  # pixels; the height is that of a figure without a height of its own
TITLES, TOP = 64, 28  # pixels above the plot: of a figure with its titles, and below those of the page


def pictures(figures: Sequence[Figure]) -> list[dict[str, bytes]]:
    """Each figure as SVG in both colour schemes: {"light": …, "dark": …}."""
    themed = [_themed(figure, template) for figure in figures for template in SCHEMES.values()]
    try:
        drawn = _by_kaleido(themed)
    except (WorkbenchError, OSError):  # not installed, without a browser, or its browser does not start
        from workbench.report.redrawing import redraw  # matplotlib, which most pages do without

        drawn = [redraw(figure) for figure in themed]
    parts = iter(drawn)
    return [{scheme: next(parts) for scheme in SCHEMES} for _ in figures]


def inner_height(figure: Figure) -> int:
    """The height of a figure whose titles stand above it on the page, in pixels."""
    return int(figure.layout.height or HEIGHT) - TITLES + TOP


def _themed(figure: Figure, template: str) -> go.Figure:
    themed = go.Figure(figure)
    size = {"width": WIDTH, "height": inner_height(figure)}
    return themed.update_layout(template=template, title=None, margin={"t": TOP}, **size)


def _by_kaleido(figures: Sequence[go.Figure]) -> list[bytes]:
    with tempfile.TemporaryDirectory() as folder, offline_kaleido():
        files = [Path(folder, f"{number}.svg") for number in range(len(figures))]
        sizes = {name: [figure.layout[name] for figure in figures] for name in ("width", "height")}
        pio.write_images([*figures], files, **sizes)
        return [file.read_bytes() for file in files]  # OSError: kaleido leaves out what it could not draw
