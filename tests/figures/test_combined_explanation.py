"""The figure of a query of parts: its pictures, the sum of its bars, and odd queries."""

from __future__ import annotations

import numpy as np
import pytest

from tests.support.explanations import combined_explained
from workbench.explain.combined import MEAN

NAMES = ("a.jpg", "b.jpg", "photos/result.jpg", "resnet18@random/max/rmac:2", "posters")


def test_bars_add_up_to_the_score_over_parts_regions_and_the_mean() -> None:
    figure = combined_explained([0.9, -0.3], NAMES).figure()
    bars = next(trace for trace in figure.data if trace.type == "bar")
    axis = figure.layout.yaxis4
    assert list(axis.ticktext) == [
        "<b>image:a.jpg</b> · 150.0 %", "region 1", "region 2", MEAN,
        "<b>image:b.jpg</b> · -50.0 %", "region 1", "region 2", MEAN, "<b>score</b>",
    ]  # fmt: skip
    assert bars.x == pytest.approx([0.9, 0.6, 0.2, 0.1, -0.3, -0.3, -0.1, 0.1, 0.6])
    assert bars.base == pytest.approx([0, 0, 0.6, 0.8, 0.9, 0.9, 0.6, 0.5, 0])
    title = figure.layout.title
    assert title.text == "Score 0.600 of photos/result.jpg"
    assert title.subtitle.text == (
        "image:a.jpg + image:b.jpg<br>resnet18@random/max/rmac:2 · n = 2 parts · semi-synthetic data"
        " · random weights"
    )


def test_each_part_has_a_picture_under_its_heat_on_one_scale() -> None:
    why = combined_explained([0.9, -0.3], NAMES)
    figure = why.figure()
    assert [note.text for note in figure.layout.annotations] == [
        "All: +0.600",
        "image:a.jpg: +0.900",
        "image:b.jpg: −0.300",
    ]
    heats = [trace for trace in figure.data if trace.type == "heatmap"]
    for heat, expected in zip(heats, [why.image_heatmap, *(p.heatmap for p in why.parts)], strict=True):
        np.testing.assert_allclose(heat.z, expected)
    scale = figure.layout.coloraxis
    assert scale.cmax == -scale.cmin == pytest.approx(max(np.abs(heat.z).max() for heat in heats))
    assert len(figure.layout.images) == 3
    assert [layout["below"] for layout in figure.layout.meta["narrow"]] == [760, 440]


def test_a_part_that_decided_nothing_is_shown_without_a_bar() -> None:
    figure = combined_explained([0.4, 0.9], NAMES, counts=[True, False], penalty=-3.0).figure()
    assert [note.text for note in figure.layout.annotations] == [
        "image:a.jpg: +0.400",
        "image:b.jpg: +0.900, not decisive",
    ]
    names = list(figure.layout.yaxis3.ticktext)
    assert not any("b.jpg" in name for name in names)
    assert any("arrangement" in name for name in names)
    assert figure.layout.title.text.startswith("Score -2.600")


@pytest.mark.parametrize("count", [1, 5, 6, 40])
def test_many_parts_are_drawn(count: int) -> None:
    figure = combined_explained([0.01 * n for n in range(count)]).figure()
    pictures = sum(trace.type == "heatmap" for trace in figure.data)
    assert pictures == min(6, count + (count > 1))
    assert ("heat of 5 of them" in figure.layout.title.subtitle.text) == (count > 5)
    assert figure.layout.height < 4000


def test_summary_has_the_query_the_arithmetic_of_the_parts_and_the_heat() -> None:
    why = combined_explained(
        [0.4, 0.9], ("a.jpg", "<b>.jpg", "r.jpg", "x/max/whole", "photos"), [True, False], -3
    )
    html = why._repr_html_()
    assert "<b>Score -2.600</b> of r.jpg" in html and "image:&lt;b&gt;.jpg" in html
    assert "0 (not decisive: +0.9000)" in html and "the arrangement does not hold" in html
    assert html.count("<img") == 1 and "<script" not in html
