"""Explanations of texts as HTML: the sum over concepts, the notes, and the picture under its heat."""

from __future__ import annotations

from workbench.common.picture_bytes import jpeg
from workbench.explain.text import TextExplanation
from workbench.report.markup import escape, paragraph, picture, table
from workbench.report.pictures import heat_picture

_CONCEPTS = 8  # rows of the table
_SIDE = 320  # pixels of the picture's longer side


def text_summary(why: TextExplanation) -> str:
    """The sum over concepts in a line, the picture's name, and the notes."""
    name = why.picture.name if why.picture else ""
    return paragraph([f"<b>{escape(why.sentence)}</b>", escape(name), *map(escape, why.warnings)])


def text_still(why: TextExplanation) -> str:
    """The picture under its heat, and the concepts that add the most."""
    rows = [
        [escape(concept), f"{weight:.3f}", f"{probability:.3f}", f"{contribution:.4f}"]
        for concept, weight, probability, contribution in why.concepts[
            ["concept", "weight", "probability", "contribution"]
        ]
        .head(_CONCEPTS)
        .to_numpy()
    ]
    shown = table(["concept", "weight", "probability", "adds"], rows)
    if why.picture is None:
        return shown
    if why.concepts.empty:
        shown = ""
    heat = heat_picture([why.picture], [why.heatmap], "contribution of a cell to the score", side=_SIDE)
    return paragraph([picture(jpeg(heat), f"{why.picture.name} under its heat")]) + shown
