"""The explanation of a score as a self-contained HTML page, without scripts."""

from __future__ import annotations

import base64
import io

import numpy as np
from PIL import Image

from workbench.common.colormaps import coloured
from workbench.explain.score import Explanation
from workbench.report.markup import escape

_SIDE = 480
_PAIRS = 12
_DRAWN = 3  # pairs of regions that are drawn
STYLE = """
:root { color-scheme: light dark; --text: #1b1f24; --quiet: #57606a; --ground: #fff; --line: #d0d7de }
@media (prefers-color-scheme: dark) {
  :root { --text: #e6edf3; --quiet: #9198a1; --ground: #0d1117; --line: #30363d } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--text); background: var(--ground);
  max-width: 1040px; margin: 32px auto; padding: 0 16px }
h1 { font-size: 22px; margin: 0 } p { margin: 8px 0 } .quiet { color: var(--quiet); font-size: 13px }
code { overflow-wrap: anywhere }
.pair { display: flex; flex-wrap: wrap; gap: 16px; margin: 24px 0 }
figure { margin: 0; flex: 1 1 320px; min-width: 0 } figcaption { overflow-wrap: anywhere; margin-top: 8px }
.stack { position: relative; display: inline-block; max-width: 100% }
.stack img { display: block; max-width: 100% }
.stack img + img, .stack svg { position: absolute; inset: 0; width: 100%; height: 100% }
.stack svg { overflow: visible; fill: none; font: 600 12px system-ui, sans-serif }
.stack svg :nth-child(3n+1) { stroke: #000; stroke-opacity: .6; stroke-width: 4 }
.stack svg :nth-child(3n+2) { stroke: #fff; stroke-width: 1.5 }
.stack text { fill: #fff; stroke: #000; stroke-width: 3; paint-order: stroke }
.scale { height: 12px; width: 240px; max-width: 100%; border: 1px solid var(--line) }
table { border-collapse: collapse } td, th { padding: 4px 16px 4px 0; text-align: right; font-weight: 400 }
th { color: var(--quiet); font-size: 13px } td:first-child, th:first-child { text-align: left }
"""


def page(
    why: Explanation, query: str, image: str, pipeline: str, query_picture: Image.Image, picture: Image.Image
) -> str:
    """The page as text, with escaped names and no active content."""
    best = why.region_pairs.head(_PAIRS)
    pairs = zip(best["query_region"], best["image_region"], best["contribution"], strict=True)
    rows = "".join(
        f"<tr><td>{n}</td><td>{_percentages(why.query_regions[first])}</td>"
        f"<td>{_percentages(why.image_regions[second])}</td>"
        f"<td>{part:.4f}</td><td>{_share(part, why.score)}</td></tr>"
        for n, (first, second, part) in enumerate(pairs, start=1)
    )
    rest = why.score - float(best["contribution"].sum()) - why.constant
    return f"""<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>Why {escape(image)} scores {why.score:.3f}</title><style>{STYLE}</style>
<h1>Score {why.score:.3f}</h1>
<p class="quiet">Pipeline <code>{escape(pipeline)}</code></p>
{"".join(f'<p class="quiet">{escape(warning)}</p>' for warning in why.warnings)}
{pair(why, query, image, query_picture, picture)}
<h2>Strongest pairs of regions</h2>
<table><tr><th>pair</th><th>query region (left, top – right, bottom, %)</th><th>result region</th>
<th>adds</th><th>share</th></tr>
{rows}
<tr><td colspan="3">the other {len(why.region_pairs) - len(best)} pairs</td><td>{rest:.4f}</td>
<td>{_share(rest, why.score)}</td></tr>
<tr><td colspan="3">constant</td><td>{why.constant:.4f}</td><td>{_share(why.constant, why.score)}</td></tr>
<tr><td colspan="3"><b>score</b></td><td><b>{why.score:.4f}</b></td><td></td></tr></table>
</html>
"""


def pair(why: Explanation, query: str, image: str, query_picture: Image.Image, picture: Image.Image) -> str:
    """Both heatmaps over their pictures, side by side on one scale, for a page with STYLE."""
    top = max(float(np.abs(why.query_heatmap).max()), float(np.abs(why.image_heatmap).max()), 1e-12)
    scale = base64.b64encode(_png(coloured(np.linspace(-1, 1, 240)[None], 1.0, signed=True))).decode()
    best = why.region_pairs.head(_DRAWN)
    sides = "".join(
        _figure(name, caption, shown, heat, top, why.constant, boxes)
        for name, caption, shown, heat, boxes in (
            (query, "Query", query_picture, why.query_heatmap, why.query_regions[best["query_region"]]),
            (image, "Result", picture, why.image_heatmap, why.image_regions[best["image_region"]]),
        )
    )
    return f"""<div class="pair">{sides}</div>
<p><img class="scale" alt="scale" src="data:image/png;base64,{scale}"><br>
<span class="quiet">contribution of a cell: −{top:.4f} … 0 … +{top:.4f}; negative where the features are
weaker than in the average image; equal numbers mark the strongest pairs of regions</span></p>"""


def _figure(
    name: str,
    title: str,
    picture: Image.Image,
    heat: np.ndarray,
    top: float,
    constant: float,
    boxes: np.ndarray,
) -> str:
    shown = picture.copy()
    shown.thumbnail((_SIDE, _SIDE))
    # A pale grey picture, so that only the heat has colour.
    shown = Image.blend(shown.convert("L"), Image.new("L", shown.size, 255), 0.25)
    data = io.BytesIO()
    shown.save(data, "JPEG", quality=85)
    overlay = Image.fromarray(coloured(heat, top, signed=True), "RGBA").resize(
        shown.size, Image.Resampling.BICUBIC
    )
    layer = io.BytesIO()
    overlay.save(layer, "PNG")
    below, above = (base64.b64encode(part.getvalue()).decode() for part in (data, layer))
    cells = f"{heat.shape[1]}x{heat.shape[0]} cells"
    return (
        f'<figure><div class="stack"><img alt="{title}: {escape(name)}" src="data:image/jpeg;base64,{below}">'
        f'<img alt="" src="data:image/png;base64,{above}">{_drawn(boxes)}</div>'
        f'<figcaption>{title}: {escape(name)}<br><span class="quiet">{cells}: '
        f"{float(heat.clip(min=0).sum()):.3f} added, {float(-heat.clip(max=0).sum()):.3f} subtracted, "
        f"constant {constant:.3f}</span></figcaption></figure>"
    )


def _drawn(boxes: np.ndarray) -> str:
    """An overlay of numbered regions; the numbers are offset so that they do not overlap."""
    parts = []
    for number, (x0, y0, x1, y1) in enumerate(100 * boxes, start=1):
        corner = f'x="{x0:.2f}%" y="{y0:.2f}%"'
        rect = f'<rect {corner} width="{x1 - x0:.2f}%" height="{y1 - y0:.2f}%"/>'
        parts.append(f'{rect}{rect}<text {corner} dx="{14 * number - 8}" dy="16">{number}</text>')
    return f'<svg aria-hidden="true">{"".join(parts)}</svg>'


def _png(rgba: np.ndarray) -> bytes:
    data = io.BytesIO()
    Image.fromarray(rgba, "RGBA").save(data, "PNG")
    return data.getvalue()


def _percentages(box: np.ndarray) -> str:
    """A box in percent of the image: left, top – right, bottom."""
    x0, y0, x1, y1 = (f"{100 * value:.0f}" for value in box)
    return f"{x0}, {y0} – {x1}, {y1}"


def _share(part: float, whole: float) -> str:
    """A part in percent of the whole; empty if the whole is zero."""
    return f"{100 * part / whole:.1f} %" if abs(whole) > 1e-9 else ""
