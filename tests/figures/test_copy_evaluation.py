"""Judged copies and their figure, against numbers computed by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.support.alignments import copies_judged
from workbench.report.summaries import page


def test_measures_by_transformation() -> None:
    result = copies_judged()
    # One of two is detected, behind a wrong one: precision 1/2 at recall 1/2.
    assert result.metrics == pytest.approx(
        {"µAP": 1 / 4, "F1": 1 / 2, "precision": 1 / 2, "recall": 1 / 2, "threshold": 7}
    )
    rows = result.transformations.to_dict("records")
    assert rows == [
        {"transformation": "grey", "copies": 1, "recall": 1, "iou": 0.8, "average_precision": 1},
        {"transformation": "mirrored", "copies": 1, "recall": 0, "iou": 0, "average_precision": 0},
    ]
    assert list(result.detections["transformation"]) == ["", "grey"]
    assert "grey: recall 1.00, IoU 0.80" in repr(result)


def test_figure_shows_recall_and_overlap() -> None:
    figure = copies_judged(("<b>", "$x$"), "<i>p", "<u>").figure()
    bars, points = figure.data
    assert (list(bars.x), list(points.x)) == ([100, 0], [80, 0])
    assert list(figure.layout.yaxis.ticktext) == ["&lt;b&gt;", "&#36;x&#36;"]
    shown = figure.layout.title.subtitle.text
    assert "µAP 25.0 %" in shown and "n = 2 copied segments in 2 query videos" in shown
    assert "&lt;u&gt;, &lt;i&gt;p" in shown
    empty = replace(copies_judged(), transformations=copies_judged().transformations.head(0))
    assert "no copied segments" in empty.figure().layout.annotations[0].text


def test_page_has_the_numbers_and_no_markup_of_names() -> None:
    html = page(copies_judged(("<b>", "grey"), "<i>p"))
    assert "µAP" in html and "&lt;b&gt;" in html and "<i>p" not in html
