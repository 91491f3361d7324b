"""Explanations of queries of parts as HTML: the query, what each part adds, the heat and the sum."""

from __future__ import annotations

from workbench.common.picture_bytes import jpeg
from workbench.common.rounding import DIGITS, signed
from workbench.explain.combined import CombinedExplanation
from workbench.report.explanation_summary import sum_table
from workbench.report.markup import escape, paragraph, picture, table
from workbench.report.pictures import heat_picture

_SIDE = 320  # pixels of a picture's longer side


def combined_summary(why: CombinedExplanation) -> str:
    """The score, the query, the pipeline and the notes, and a table of the parts."""
    lines = [
        f"<b>Score {why.score:.3f}</b>{escape(f' of {why.subject}' if why.subject else '')}",
        f"for the query <code>{escape(why.text)}</code>",
        escape(why.pipeline),
        *map(escape, why.warnings),
    ]
    rows = [
        [
            escape(part.leaf.part),
            f"{part.leaf.weight:g}",
            f"{part.score:.{DIGITS}f}",
            f"{part.mean:.{DIGITS}f}",
            f"{part.std:.{DIGITS}f}",
            signed(part.value) if part.counts else f"0 (not decisive: {signed(part.value)})",
        ]
        for part in why.parts
    ]
    if why.penalty < -1e-9:
        rows.append(["the arrangement does not hold", "", "", "", "", signed(why.penalty)])
    titles = ["part", "weight", "score", "mean of all images", "deviation", "adds"]
    return paragraph(lines) + table(titles, rows)


def combined_still(why: CombinedExplanation) -> str:
    """The image under the heat of the parts that count, and the sum of what they add."""
    heated = ""
    if why.picture is not None:
        quantity = f"contribution of a cell to the score {why.score:.3f}"
        shown = heat_picture([why.picture], [why.image_heatmap], quantity, side=_SIDE)
        heated = paragraph([picture(jpeg(shown), f"{why.subject} under its heat")])
    return heated + sum_table(why.sum())
