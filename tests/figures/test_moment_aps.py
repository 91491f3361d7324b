"""The AP of each query over shots and videos: values by hand, names, and bad input."""

from __future__ import annotations

from math import nan

from tests.support.moments import moments_of
from workbench.figures.style import SEMI_SYNTHETIC
from workbench.report.summaries import summary


def test_points_are_the_aps_in_order_of_that_over_shots() -> None:
    figure = moments_of({"a": (0.75, 0.8, 0.0), "b": (0.25, 0.5, 2.5), "c": (nan, nan, nan)}).figure()
    by_name = {trace.name: trace for trace in figure.data}
    assert list(by_name["over shots"].y) == [25, 75] and list(by_name["over videos"].y) == [50, 80]
    assert list(by_name["over shots"].ids) == ["b", "a"] and list(figure.layout.xaxis.ticktext) == ["b", "a"]
    assert by_name["over shots"].hovertext[0] == (
        "b<br>AP over 3 shots 25.0 %, over 2 videos 50.0 %<br>time error 2.50 s"
    )
    about = figure.layout.title.subtitle.text
    assert "reels" in SEMI_SYNTHETIC and "semi-synthetic" in about
    assert "n = 2 queries" in about and "mAP 50.0 % and 65.0 %" in about and "1.25 s (median)" in about
    assert "%" in figure.layout.yaxis.title.text


def test_thousands_of_queries_and_none() -> None:
    many = moments_of({f"q{n}": (n / 10_000, 0.5, 0.0) for n in range(10_000)}).figure()
    assert len(many.data[0].x) == 200 and "200 drawn" in many.layout.title.subtitle.text
    assert "no AP" in moments_of({"a": (nan, nan, nan)}).figure().layout.annotations[0].text


def test_text_and_html_of_an_evaluation() -> None:
    evaluation = moments_of({"a": (0.75, 0.8, 0.0), "b": (0.25, 0.5, 2.5)}, "net/<i>")
    assert repr(evaluation).splitlines()[1] == (
        "mAP over shots 50.0 · over videos 65.0 · time error 1.25 s (median), 1.25 s (mean), "
        "50.0 % within 1 s · 2 queries"
    )
    html = summary(evaluation)
    assert "mAP over shots 50.0" in html and "40 moments (1 a second) of 12 shots in 4 videos" in html
    assert "net/&lt;i&gt;" in html and "⚠ synthetic &lt;b&gt;" in html and "<b>" not in html
