"""The figure and the HTML of a summary of videos."""

from __future__ import annotations

import pytest

from tests.support.summaries import SIMILARITIES, summary_of


def test_coverage_of_each_method_and_the_similarity_over_time() -> None:
    figure = summary_of().figure()
    traces = {trace.name: trace for trace in figure.data}
    assert list(traces["facility location"].y) == pytest.approx([50, 81.25])
    assert list(traces["uniform in time"].y) == pytest.approx([40, 70])
    assert list(traces["k-means"].y) == pytest.approx([50, 75])
    assert list(traces["no choice has more"].y) == pytest.approx([50, 90])
    assert list(traces["facility location"].x) == [1, 2]
    line, points = traces["similarity to the summary"], traces["chosen moments"]
    assert list(line.x) == [0, 1, 2, 3] and list(line.y) == pytest.approx(SIMILARITIES)
    assert list(points.ids) == ["a.mp4#t=1.00", "a.mp4#t=3.00"] and list(points.x) == [1, 3]
    assert figure.layout.xaxis2.title.text == "time, s"
    assert figure.layout.title.text == "Summary of a.mp4"
    subtitle = figure.layout.title.subtitle.text
    assert "n = 4 moments, 2 chosen" in subtitle and "coverage 81.2 % of at most 90.0 %" in subtitle


def test_several_videos_are_drawn_one_after_another() -> None:
    figure = summary_of([f"clips/{number}.mp4" for number in range(300)]).figure()
    axis = figure.layout.xaxis2
    assert axis.title.text == "moments of 300 videos, one after another"
    assert list(axis.tickvals[:1]) == [0] and axis.ticktext[-1] == "299.mp4" and len(axis.tickvals) == 12
    assert tuple(axis.range) == (0, 1200)


def test_html_has_pictures_with_times_and_a_table() -> None:
    html = summary_of(["<b>x.mp4", "b.mp4"])._repr_html_()
    assert html.count("<img") == 4 and "0:03.0 &lt;b&gt;x.mp4" in html and "<b>x" not in html
    assert "4 of 8 moments cover 81.2 %; no 4 moments cover more than 90.0 %" in html
    assert "uniform in time, %" in html and "81.2" in html


def test_text_is_short() -> None:
    text = repr(summary_of([f"{number}.mp4" for number in range(40)]))
    assert "0:01.0  0.mp4" in text and "and 68 more" in text
    assert len(text.splitlines()) == 14
