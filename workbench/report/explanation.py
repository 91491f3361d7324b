"""The explanation of a score as a self-contained HTML page."""

from __future__ import annotations

from typing import Any

from PIL import Image

from workbench.explain.score import Explanation
from workbench.explain.sum_text import share_text, value_text
from workbench.explain.sums import BOX, SIDES
from workbench.report.frame import document, drawn
from workbench.report.heat_pictures import DRAWN, pair
from workbench.report.markup import escape, place
from workbench.report.summaries import summary


def page(
    why: Explanation,
    query: str,
    image: str,
    pipeline: str,
    query_picture: Image.Image,
    picture: Image.Image,
    static: bool = False,
) -> str:
    """The page as text, with escaped names; ``static``: without script, figures are pictures."""
    figures = drawn([why.waterfall(side) for side in SIDES], static)
    sums = "".join(
        f"{figure}<details><summary>The same as a table</summary>{_table(why, side)}</details>"
        for side, figure in zip(SIDES, figures, strict=True)
    )
    body = f"""<h1>Score {why.score:.3f}</h1>
<p class="quiet">Pipeline <code>{escape(pipeline)}</code></p>
{"".join(f'<p class="warning">{escape(warning)}</p>' for warning in why.warnings)}
{pair(why, query, image, query_picture, picture)}
<h2>The score as sums</h2>
{sums}"""
    return document(f"Why {image} scores {why.score:.3f}", body, static)


def result_page(why: Any, title: str, static: bool = False) -> str:
    """The page of an explanation by words or by several parts: its numbers and its figure."""
    (figure,) = drawn([why.figure()], static)
    return document(title, f"<h1>{escape(title)}</h1>{summary(why)}{figure}", static)


def _table(why: Explanation, side: str) -> str:
    """The lines of a sum; the numbers are those in the picture."""
    total = why.sum(side)
    numbers = {part: number for number, part in enumerate(total.strongest(DRAWN), start=1)}
    height, width = (why.query_heatmap if side == "query" else why.image_heatmap).shape
    boxes = total.parts[BOX].to_numpy(float).tolist()
    rows = ""
    for line in total.lines():
        tag = "b" if line.kind in ("group", "whole") else "span"
        where = "" if line.part < 0 else place(boxes[line.part], width / height)
        rows += (
            f"<tr><td>{numbers.get(line.part, '')}</td>"
            f'<td class="words">{where}<{tag}>{escape(line.text)}</{tag}></td>'
            f"<td><{tag}>{value_text(line)}</{tag}></td><td>{share_text(line, total)}</td></tr>"
        )
    return (
        '<table><tr><th>in the picture</th><th class="words">part</th>'
        f"<th>adds</th><th>share of the {total.name}</th></tr>{rows}</table>"
    )
