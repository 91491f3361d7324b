"""Confusion between labels as HTML: the accuracy, and the most frequent confusions with example images."""

from __future__ import annotations

from workbench.analysis.confusion import PICTURED, Confusion
from workbench.common.picture_bytes import data_uri, jpeg
from workbench.config.errors import WorkbenchError
from workbench.evaluation.measures_text import percent
from workbench.report.markup import escape, paragraph, table

_SIDE = 96  # pixels of an example's longer side


def confusion_summary(result: Confusion) -> str:
    """The accuracy, the rule, the notes, and the most frequent confusions."""
    left_out = f"; {result.left_out:,} without a label, or alone with it, are left out"
    lines = [
        f"<b>Accuracy {100 * result.accuracy:.1f} %</b>, {len(result.images):,} images with "
        f"{len(result.labels):,} labels{left_out if result.left_out else ''}",
        f"label of an image: the {escape(result.kind)}" if result.kind != "label" else "",
        escape(f"{result.pipeline}, by {result.rule}, leave one out"),
        *map(escape, result.warnings),
    ]
    return paragraph(lines) + _table(result)


def _table(result: Confusion) -> str:
    errors = result.errors()
    if not len(errors):
        return paragraph(["No image has another predicted label."])
    rows = []
    for label, predicted, count, share, examples in errors.head(PICTURED).itertuples(index=False, name=None):
        shown = "".join(_picture(result, image) for image in examples)
        rows.append([escape(label), escape(predicted), f"{count:,}", percent(share), shown])
    titles = [result.kind, "predicted", "images", "of them %", ""]
    listed = table(titles, rows, words=(0, 1, len(titles) - 1))
    more = len(errors) - PICTURED
    return listed + (paragraph([f"and {more:,} more: <code>.errors()</code>"]) if more > 0 else "")


def _picture(result: Confusion, image: str) -> str:
    """An example as a small picture; its name, if it cannot be read."""
    try:
        shown = result.pictures[image].load(_SIDE)
    except (KeyError, WorkbenchError):
        return f"{escape(image)} "
    name = escape(image)
    return f'<img alt="{name}" title="{name}" style="margin-right: 4px" src="{data_uri(jpeg(shown))}">'
