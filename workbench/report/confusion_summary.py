"""Confusion between labels as HTML: the accuracy, and the most frequent confusions with example images."""

from __future__ import annotations

from workbench.analysis.confusion import PICTURED, Confusion
from workbench.common.picture_bytes import data_uri, jpeg
from workbench.config.errors import WorkbenchError
from workbench.report.markup import escape

_SIDE = 96  # pixels of an example's longer side
_SIDES = ("left", "left", "right", "right", "left")  # of the columns' texts
_CELL = 'style="text-align: {}; padding: 2px 12px 2px 0"'


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
    return f'<p style="overflow-wrap: anywhere">{"<br>".join(filter(None, lines))}</p>{_table(result)}'


def _table(result: Confusion) -> str:
    errors = result.errors()
    if not len(errors):
        return "<p>No image has another predicted label.</p>"
    titles = (
        (result.kind, "left"),
        ("predicted", "left"),
        ("images", "right"),
        ("of them %", "right"),
        ("", "left"),
    )
    head = "".join(f"<th {_CELL.format(side)}>{escape(title)}</th>" for title, side in titles)
    rows = []
    for label, predicted, count, share, examples in errors.head(PICTURED).itertuples(index=False, name=None):
        shown = "".join(_picture(result, image) for image in examples)
        texts = (escape(label), "left"), (escape(predicted), "left"), (f"{count:,}", "right")
        cells = *texts, (f"{100 * share:.1f}", "right"), (shown, "left")
        rows.append("".join(f"<td {_CELL.format(side)}>{cell}</td>" for cell, side in cells))
    more = (
        f"<p>and {len(errors) - PICTURED:,} more: <code>.errors()</code></p>"
        if len(errors) > PICTURED
        else ""
    )
    return f"<table><tr>{head}</tr>{''.join(f'<tr>{row}</tr>' for row in rows)}</table>{more}"


def _picture(result: Confusion, image: str) -> str:
    """An example as a small picture; its name, if it cannot be read."""
    try:
        shown = result.pictures[image].load(_SIDE)
    except (KeyError, WorkbenchError):
        return f"{escape(image)} "
    name = escape(image)
    return f'<img alt="{name}" title="{name}" style="margin-right: 4px" src="{data_uri(jpeg(shown))}">'
