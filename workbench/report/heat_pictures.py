"""Both pictures of an explanation under their heat, as HTML without script."""

from __future__ import annotations

import numpy as np
from PIL import Image

from workbench.common.colormaps import coloured
from workbench.common.picture_bytes import data_uri, jpeg, png
from workbench.explain.score import Explanation
from workbench.explain.sums import BOX
from workbench.report.markup import escape
from workbench.report.picture_sheet import under_heat

DRAWN = 3  # regions of a picture that are drawn
_SIDE = 480  # pixels


def pair(why: Explanation, query: str, image: str, query_picture: Image.Image, picture: Image.Image) -> str:
    """Both heatmaps over their pictures, side by side on one scale.

    The numbers in each picture are those of its strongest regions.
    """
    top = max(float(np.abs(why.query_heatmap).max()), float(np.abs(why.image_heatmap).max()), 1e-12)
    scale = png(Image.fromarray(coloured(np.linspace(-1, 1, 240)[None], 1.0, signed=True), "RGBA"))
    totals = why.sum("query"), why.sum("image")
    boxes = [total.parts[BOX].to_numpy(float)[total.strongest(DRAWN)] for total in totals]
    figures = "".join(
        [
            _figure(query, "Query", query_picture, why.query_heatmap, top, why.constant, boxes[0]),
            _figure(image, "Result", picture, why.image_heatmap, top, why.constant, boxes[1]),
        ]
    )
    return f"""<div class="pair">{figures}</div>
<p><img class="scale" alt="scale" src="{data_uri(scale)}"><br>
<span class="quiet">contribution of a cell: −{top:.4f} … 0 … +{top:.4f}; negative where the features are
weaker than in the average image; numbers mark the strongest regions of each picture</span></p>"""


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
    drawn = data_uri(jpeg(under_heat(shown, heat, top, signed=True)))
    cells = f"{heat.shape[1]}x{heat.shape[0]} cells"
    return (
        f'<figure><div class="stack"><img alt="{title}: {escape(name)}" src="{drawn}">{_drawn(boxes)}</div>'
        f'<figcaption>{title}: {escape(name)}<br><span class="quiet">{cells}: '
        f"{float(heat.clip(min=0).sum()):.3f} added, {abs(float(heat.clip(max=0).sum())):.3f} subtracted, "
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
