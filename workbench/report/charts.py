"""Charts of a report: static SVG in the colours of the page, legible in print."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from workbench.report.markup import escape

MOST = 120  # queries that are distinguishable in a chart of this width
_LEFT, _TOP, _BOTTOM = 52, 12, 44
# Each pipeline has a colour, a dash and a shape, and each of them identifies it (colours: Okabe and Ito).
DASHES = ("", "7 4", "2 3", "10 3 2 3", "4 2")
STYLE = """
:root { --s0: #0072b2; --s1: #b34700; --s2: #007a5a; --s3: #a8457f; --s4: #6b5b00 }
@media (prefers-color-scheme: dark) {
  :root { --s0: #56b4e9; --s1: #e69f00; --s2: #2fc79b; --s3: #e29bc4; --s4: #f0e442 } }
svg { display: block; max-width: 100%; height: auto }
svg text { fill: var(--quiet); font: 12px system-ui, sans-serif } svg .line { stroke: var(--line) }
svg .range { stroke: var(--quiet); opacity: .5 } svg .mark { stroke: var(--ground); stroke-width: 1 }
svg .curve { fill: none; stroke-width: 2 }
""" + "".join(
    f".s{n} {{ fill: var(--s{n}); stroke: var(--s{n}) }} .curve.s{n} {{ fill: none }}\n" for n in range(5)
)


def style_of(position: int) -> int:
    """The number of a pipeline's style; styles repeat after five pipelines."""
    return position % len(DASHES)


def swatch(position: int) -> str:
    """The line and mark of a pipeline, for a legend."""
    style = style_of(position)
    return (
        '<svg width="36" height="12" viewBox="0 0 36 12" aria-hidden="true">'
        f'<path class="curve s{style}" d="M0 6H36" stroke-dasharray="{DASHES[style]}"/>'
        f"{_mark(position, 18, 6)}</svg>"
    )


def query_chart(aps: pd.DataFrame) -> str:
    """A chart of APs 0…1, with a row for each query and a column for each pipeline.

    Queries are sorted by the first pipeline, best first. Of more than ``MOST`` queries, an even selection
    is drawn.
    """
    ordered = aps.sort_values(aps.columns[0], ascending=False, na_position="last", kind="stable")
    if len(ordered) > MOST:
        ordered = ordered.iloc[np.linspace(0, len(ordered) - 1, MOST).round().astype(int)]
    width, height = 1040, 300
    step = (width - _LEFT - 8) / max(len(ordered), 1)
    drawn = []
    for number, (query, values) in enumerate(ordered.iterrows()):
        defined = [(n, float(ap)) for n, ap in enumerate(values) if not math.isnan(ap)]
        if not defined:
            continue
        x = _LEFT + (number + 0.5) * step
        heights = [_height(ap, height) for _, ap in defined]
        text = "; ".join(f"{aps.columns[n]}: {100 * ap:.1f}" for n, ap in defined)
        marks = "".join(_mark(n, x, y) for (n, _), y in zip(defined, heights, strict=True))
        drawn.append(
            f"<g><title>{escape(f'{query} – {text}')}</title>"
            f'<path class="range" d="M{x:.1f} {min(heights):.1f}V{max(heights):.1f}"/>{marks}</g>'
        )
    middle = (_LEFT + width) / 2
    labels = f'<text x="{middle:.0f}" y="{height - 8}" text-anchor="middle">queries, sorted by A</text>'
    title = f"Average precision of {len(ordered)} queries, in percent"
    return _frame(width, height, title, _scale(width, height, "AP %") + labels + "".join(drawn))


def curve_chart(curves: Mapping[str, NDArray[np.float64]]) -> str:
    """A chart of precision over recall: for each pipeline a curve [101], at recalls 0, 0.01 … 1."""
    width, height = 400, 340
    across = width - _LEFT - 12
    drawn = []
    for position, (name, curve) in enumerate(curves.items()):
        points = " ".join(
            f"{_LEFT + across * n / 100:.1f},{_height(float(p), height):.1f}"
            for n, p in enumerate(curve)
            if not math.isnan(p)
        )
        drawn.append(
            f'<polyline class="curve s{style_of(position)}" points="{points}" '
            f'stroke-dasharray="{DASHES[style_of(position)]}"><title>{escape(name)}</title></polyline>'
        )
    ticks = "".join(
        f'<text x="{_LEFT + across * share / 100:.0f}" y="{height - _BOTTOM + 18}" '
        f'text-anchor="middle">{share}</text>'
        for share in range(0, 101, 20)
    )
    label = f'<text x="{_LEFT + across / 2:.0f}" y="{height - 8}" text-anchor="middle">recall %</text>'
    body = _scale(width - 4, height, "precision %") + ticks + label + "".join(drawn)
    return _frame(width, height, "Precision over recall, in percent", body)


def _frame(width: int, height: int, title: str, body: str) -> str:
    return (
        f'<svg viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" '
        f'aria-label="{escape(title)}">{body}</svg>'
    )


def _scale(width: int, height: int, label: str) -> str:
    """Grid lines and labels from 0 to 100 percent."""
    lines = "".join(
        f'<path class="line" d="M{_LEFT} {_height(share / 100, height):.1f}H{width - 8}"/>'
        f'<text x="{_LEFT - 6}" y="{_height(share / 100, height) + 4:.1f}" text-anchor="end">{share}</text>'
        for share in range(0, 101, 20)
    )
    middle = (_TOP + height - _BOTTOM) / 2
    turned = f'<text transform="translate(11 {middle:.0f}) rotate(-90)" text-anchor="middle">{label}</text>'
    return lines + turned


def _height(share: float, height: int) -> float:
    return _TOP + (1 - share) * (height - _TOP - _BOTTOM)


def _mark(position: int, x: float, y: float) -> str:
    """The mark of a pipeline: a disc, a square, a diamond, a triangle or a cross."""
    shape = (
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4.5"',
        f'<rect x="{x - 4:.1f}" y="{y - 4:.1f}" width="8" height="8"',
        f'<path d="M{x:.1f} {y - 5.5:.1f}l5.5 5.5-5.5 5.5-5.5-5.5z"',
        f'<path d="M{x:.1f} {y - 5:.1f}l5 9h-10z"',
        f'<path d="M{x - 4:.1f} {y - 1.5:.1f}h2.5v-2.5h3v2.5h2.5v3h-2.5v2.5h-3v-2.5h-2.5z"',
    )[style_of(position)]
    return f'{shape} class="mark s{style_of(position)}"/>'
