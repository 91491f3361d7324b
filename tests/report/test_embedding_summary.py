"""The comparison of two maps as HTML."""

from __future__ import annotations

from tests.support.maps import comparison_of, map_of


def test_comparison_names_pipelines_mean_and_images_that_differ() -> None:
    frame = map_of(3, pipeline="<b>one</b>")
    frame["image_id"] = ["a", "<img src=x onerror=alert(1)>", "c"]
    shown = comparison_of(frame, map_of(3, pipeline="two"), [1.0, 0.0, 0.5])._repr_html_()
    assert "<code>&lt;b&gt;one&lt;/b&gt;</code> and <code>two</code>" in shown
    assert "50.0 % of the 2 nearest neighbours in common, mean of n = 3 images" in shown
    first = shown.index("<li>&lt;img src=x onerror=alert(1)&gt;: 0 %</li>")
    assert first < shown.index("<li>c: 50 %</li>") < shown.index("<li>a: 100 %</li>")
    assert "<img" not in shown
