"""Both pictures of an explanation under their heat, as HTML without script."""

from __future__ import annotations

import base64
import io
import math

import numpy as np
import pandas as pd
from PIL import Image

from workbench.common.colormaps import coloured
from workbench.explain.score import Explanation
from workbench.explain.sums import BOX, Sum
from workbench.report.markup import escape

_SIDE = 480  # pixels
_COARSER = 3  # pixels of the picture in one of the heat
_DRAWN = 3  # regions of a picture that are drawn


def pair(why: Explanation, query: str, image: str, query_picture: Image.Image, picture: Image.Image) -> str:
    """Both heatmaps over their pictures, side by side on one scale.

    The numbers in each picture are those of its strongest regions.
    """
    top = max(float(np.abs(why.query_heatmap).max()), float(np.abs(why.image_heatmap).max()), 1e-12)
    scale = base64.b64encode(_png(coloured(np.linspace(-1, 1, 240)[None], 1.0, signed=True))).decode()
    sides = "".join(
        _figure(name, caption, shown, heat, top, why.constant, strongest(why.sum(side))[BOX].to_numpy(float))
        for name, caption, side, shown, heat in (
            (query, "Query", "query", query_picture, why.query_heatmap),
            (image, "Result", "image", picture, why.image_heatmap),
        )
    )
    return f"""<div class="pair">{sides}</div>
<p><img class="scale" alt="scale" src="data:image/png;base64,{scale}"><br>
<span class="quiet">contribution of a cell: −{top:.4f} … 0 … +{top:.4f}; negative where the features are
weaker than in the average image; numbers mark the regions of each picture that add most</span></p>"""


def strongest(total: Sum) -> pd.DataFrame:
    """The parts of a picture that add most: those with a number."""
    return total.parts.nlargest(_DRAWN, "contribution")


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
    # Heat has few cells: the browser enlarges a small picture of it as smoothly.
    overlay = Image.fromarray(coloured(heat, top, signed=True), "RGBA").resize(
        [math.ceil(side / _COARSER) for side in shown.size], Image.Resampling.BICUBIC
    )
    layer = io.BytesIO()
    overlay.save(layer, "PNG")
    below, above = (base64.b64encode(part.getvalue()).decode() for part in (data, layer))
    cells = f"{heat.shape[1]}x{heat.shape[0]} cells"
    return (
        f'<figure><div class="stack"><img alt="{title}: {escape(name)}" src="data:image/jpeg;base64,{below}">'
        f'<img alt="" src="data:image/png;base64,{above}">{_drawn(boxes)}</div>'
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


def _png(rgba: np.ndarray) -> bytes:
    data = io.BytesIO()
    Image.fromarray(rgba, "RGBA").save(data, "PNG")
    return data.getvalue()
