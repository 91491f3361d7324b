"""Explanations of scores as HTML: the score, its notes, both pictures under their heat, and the sums."""

from __future__ import annotations

from typing import Any

import numpy as np

from workbench.common.picture_bytes import jpeg
from workbench.explain.channels import Contributions
from workbench.explain.one import Evidence
from workbench.explain.score import Explanation
from workbench.explain.sum_text import share_text, value_text
from workbench.explain.sums import BOX, Sum
from workbench.report.markup import escape, paragraph, picture, place, table
from workbench.report.pictures import heat_picture

_SIDE = 320  # pixels of a picture's longer side


def explanation_summary(why: Explanation | Evidence) -> str:
    """The score, the pictures' names, the pipeline and the notes."""
    query = f" for the query {why.pictures[0].name}" if why.pictures else ""
    lines = [
        f"<b>Score {why.score:.3f}</b>{escape(f' of {why.subject}' if why.subject else '')}{escape(query)}",
        escape(why.pipeline),
        *map(escape, why.warnings),
    ]
    return paragraph(lines)


def explanation_still(why: Explanation | Evidence) -> str:
    """Both pictures under their heat, and the sums over their regions by level."""
    if isinstance(why, Evidence):
        pictures = _pictures(why, why.image_heatmaps[why.strongest_image()])
        return pictures + sum_table(why.sum(), _ratio(why.query_heatmap))
    tables = "".join(
        f'<td style="vertical-align: top">{sum_table(why.sum(side), _ratio(heat))}</td>'
        for side, heat in (("query", why.query_heatmap), ("image", why.image_heatmap))
    )
    return f"{_pictures(why, why.image_heatmap)}<table><tr>{tables}</tr></table>"


def contributions_summary(why: Contributions) -> str:
    """The score, and how many channels it is the sum of."""
    return paragraph([f"<b>Score {why.score:.3f}</b>", f"the sum over {len(why.channels):,} channels"])


def contributions_still(why: Contributions) -> str:
    """The strongest channels and the sum of all others."""
    return sum_table(why.sum())


def sum_table(total: Sum, ratio: float = 4 / 3) -> str:
    """The lines of a sum as a table: groups, their strongest parts, the whole.

    Regions are drawn at their places in a picture of that ratio of width to height.
    """
    rows = []
    for line in total.lines():
        cells = [escape(line.text), value_text(line), share_text(line, total)]
        if line.kind in ("group", "whole"):
            cells = [f"<b>{cell}</b>" for cell in cells]
        if line.part >= 0 and "x0" in total.parts:
            cells[0] = place(total.parts[BOX].to_numpy(float)[line.part].tolist(), ratio) + cells[0]
        rows.append(cells)
    return table([total.unit, "adds", "share"], rows)


def _ratio(heat: np.ndarray) -> float:
    """The ratio of width to height of a picture under that heat."""
    return heat.shape[1] / heat.shape[0]


def _pictures(why: Explanation | Evidence, image_heat: Any) -> str:
    """Both pictures under their heat, with its scale; empty without pictures."""
    if why.pictures is None:
        return ""
    names = " and ".join(side.name for side in why.pictures)
    heats = [why.query_heatmap, image_heat]
    shown = heat_picture(
        why.pictures, heats, f"contribution of a cell to the score {why.score:.3f}", side=_SIDE
    )
    return paragraph([picture(jpeg(shown), f"{names} under their heat")])
