"""Explanations of scores as HTML: the score, its notes, both pictures under their heat, and the sums."""

from __future__ import annotations

from typing import Any

from workbench.common.picture_bytes import data_uri, jpeg
from workbench.common.rounding import signed
from workbench.explain.channels import Contributions
from workbench.explain.one import Evidence
from workbench.explain.score import Explanation
from workbench.explain.sums import Sum
from workbench.report.markup import escape
from workbench.report.pictures import heat_picture

_SIDE = 320  # pixels of a picture's longer side
_CELL = 'style="padding: 0 12px 0 0; text-align: {}"'


def explanation_summary(why: Explanation | Evidence) -> str:
    """The score, the pictures' names, the pipeline and the notes."""
    query = f" for the query {why.pictures[0].name}" if why.pictures else ""
    lines = [
        f"<b>Score {why.score:.3f}</b>{escape(f' of {why.subject}' if why.subject else '')}{escape(query)}",
        escape(why.pipeline),
        *map(escape, why.warnings),
    ]
    return f'<p style="overflow-wrap: anywhere">{"<br>".join(filter(None, lines))}</p>'


def explanation_still(why: Explanation | Evidence) -> str:
    """Both pictures under their heat, and the sums over their regions by level."""
    if isinstance(why, Evidence):
        return _pictures(why, why.image_heatmaps[why.strongest_image()]) + sum_table(why.sum())
    tables = "".join(
        f'<td style="vertical-align: top">{sum_table(why.sum(side))}</td>' for side in ("query", "image")
    )
    return f"{_pictures(why, why.image_heatmap)}<table><tr>{tables}</tr></table>"


def contributions_summary(why: Contributions) -> str:
    """The score, and how many channels it is the sum of."""
    return f"<p><b>Score {why.score:.3f}</b><br>the sum over {len(why.channels):,} channels</p>"


def contributions_still(why: Contributions) -> str:
    """The strongest channels and the sum of all others."""
    return sum_table(why.sum())


def sum_table(total: Sum) -> str:
    """The lines of a sum as a table: groups, their strongest parts, the whole."""
    rows = []
    for line in total.lines():
        strong = line.kind in ("group", "whole")
        share = f"{100 * line.value / total.whole:.1f} %" if abs(total.whole) > 1e-9 else ""
        value = f"{line.shown:.4f}" if line.kind == "whole" else signed(line.shown)
        cells = (escape(line.text), "left"), (value, "right"), (share, "right")
        tag = "th" if strong else "td"
        rows.append("".join(f"<{tag} {_CELL.format(side)}>{cell}</{tag}>" for cell, side in cells))
    head = f'<caption style="text-align: left">{escape(total.unit)}</caption>'
    return f"<table>{head}{''.join(f'<tr>{row}</tr>' for row in rows)}</table>"


def _pictures(why: Explanation | Evidence, image_heat: Any) -> str:
    """Both pictures under their heat, with its scale; empty without pictures."""
    if why.pictures is None:
        return ""
    names = " and ".join(picture.name for picture in why.pictures)
    heats = [why.query_heatmap, image_heat]
    shown = heat_picture(
        why.pictures, heats, f"contribution of a cell to the score {why.score:.3f}", side=_SIDE
    )
    return (
        f'<p><img style="max-width: 100%" alt="{escape(f"{names} under their heat")}" '
        f'src="{data_uri(jpeg(shown))}"></p>'
    )
