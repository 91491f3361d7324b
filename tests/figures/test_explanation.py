"""Figures of explanations: the sums of their bars, the heat over both pictures, and titles."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tests.support.explanations import evidence, explained
from workbench.collections.named_picture import NamedPicture
from workbench.explain.channels import Contributions
from workbench.explain.score import Explanation
from workbench.explain.sums import channels_sum
from workbench.figures.contributions import contributions

NAMES = ("query <b>", "photos/image.jpg", "resnet18@random/max/rmac:2", "posters")
VALUES = [[0.1, 0.2], [0.3, -0.05], [-0.04, -0.04]]


@pytest.fixture
def why() -> Explanation:
    return explained(VALUES, [1, 1, 2], [1, 2], NAMES, constant=0.25)


def test_bars_start_where_the_sum_before_them_ends(why: Explanation) -> None:
    figure = why.waterfall()
    bars, values = figure.data
    assert list(figure.layout.yaxis.ticktext) == [
        "<b>level 1</b> · 76.4 %",
        "region 1",
        "region 2",
        "<b>level 2</b> · -11.1 %",
        "constant",
        "<b>score</b>",
    ]
    assert bars.base == pytest.approx([0, 0, 0.3, 0.55, 0.47, 0])
    assert bars.x == pytest.approx([0.55, 0.3, 0.25, -0.08, 0.25, 0.72])
    assert list(values.text) == [
        "<b>+0.5500</b>", "+0.3000", "+0.2500", "<b>−0.0800</b>", "+0.2500", "<b>0.7200</b>",
    ]  # fmt: skip
    assert list(bars.ids) == ["group 0", "0", "1", "2", "constant 4", "whole 5"]
    assert len(set(bars.marker.color)) == 3 and bars.marker.opacity[0] < bars.marker.opacity[1] == 1


def test_the_places_of_listed_regions_are_drawn_beside_their_bars(why: Explanation) -> None:
    for figure, axes in ((why.waterfall(), ("y", "y")), (why.figure(), ("y3", "y4"))):
        shapes = [shape for shape in figure.layout.shapes if shape.yref in axes]
        assert len(shapes) == len(figure.layout.shapes) > 0
        first, second = (shape for shape in shapes if shape.yref == axes[0] and shape.yanchor == 2)
        whole, part = (first.x1 - first.x0, first.x0), (second.x1 - second.x0, second.x0)
        # The second region is from 10 % to 60 % across, and has the whole height.
        assert part[0] / whole[0] == pytest.approx(0.5)
        assert (part[1] - whole[1]) / whole[0] == pytest.approx(0.1)
        assert (second.y0, second.y1) == (first.y0, first.y1) and first.y0 == -first.y1


def test_titles_give_the_number_of_regions_and_what_the_data_are(why: Explanation) -> None:
    layout = why.waterfall("image").layout
    assert layout.title.text == "Score as a sum over regions of the image"
    said = layout.title.subtitle.text
    assert said.startswith("resnet18@random/max/rmac:2<br>n = 2 regions of the image")
    assert said.endswith("semi-synthetic data · random weights")
    assert layout.xaxis.title.text == "sum of contributions to the score"


def test_both_pictures_are_under_their_heat_on_one_scale(why: Explanation) -> None:
    figure = why.figure()
    heats = [trace for trace in figure.data if trace.type == "heatmap"]
    np.testing.assert_allclose(heats[0].z, why.query_heatmap)
    np.testing.assert_allclose(heats[1].z, why.image_heatmap)
    assert {heat.coloraxis for heat in heats} == {"coloraxis"}
    scale = figure.layout.coloraxis
    assert scale.cmax == -scale.cmin == pytest.approx(np.abs(why.query_heatmap).max())
    middle = dict(scale.colorscale)[0.5]
    assert middle.endswith(",0.000)")  # transparent, so that the picture is seen
    # Cells cover the picture, whose axes are in percent.
    assert (heats[0].x0, heats[0].dx) == pytest.approx((100 / 6, 100 / 3))
    assert [image.source[:22] for image in figure.layout.images] == ["data:image/jpeg;base64"] * 2
    assert figure.layout.yaxis.scaleratio == pytest.approx(40 / 60)
    bars = [trace for trace in figure.data if trace.type == "bar"]
    assert [bar.x[-1] for bar in bars] == pytest.approx([why.score, why.score])
    assert [note.text for note in figure.layout.annotations] == [
        "Query: query &lt;b&gt;",
        "Result: photos/image.jpg",
        "regions of the query",
        "regions of the image",
    ]


def test_drawn_regions_have_their_numbers_in_the_sum(why: Explanation) -> None:
    figure = why.figure()
    names = list(figure.layout.yaxis3.ticktext)
    assert names[1:3] == ["1 · region 1", "2 · region 2"]
    corners = next(trace for trace in figure.select_traces({"mode": "text", "xaxis": "x"}))
    assert list(corners.x) == pytest.approx([0, 10, 20])
    assert list(corners.text) == ["<b>1</b>", "<b>2</b>", "<b>3</b>"]


def test_evidence_shows_the_image_with_the_most_votes() -> None:
    why = evidence(("q.jpg", "a.jpg", "b.jpg"))
    figure = why.figure()
    assert figure.layout.annotations[1].text == "Image with the most votes: a.jpg"
    bar = next(trace for trace in figure.data if trace.type == "bar")
    assert bar.x[-1] == 0.75 and any("a region of a.jpg" in text for text in bar.hovertext)


def test_a_picture_that_cannot_be_read_is_reported(why: Explanation, tmp_path: object) -> None:
    gone = NamedPicture("gone.jpg", tmp_path / "gone.jpg")  # type: ignore[operator]
    broken = explained(VALUES, [1, 1, 2], [1, 2], NAMES)
    object.__setattr__(broken, "pictures", (gone, gone))
    texts = [note.text for note in broken.figure().layout.annotations]
    assert sum("cannot be read" in text for text in texts) == 2
    without = explained(VALUES)
    assert without.pictures is None and len(without.figure().data) > 4  # heat alone


@pytest.mark.parametrize("values", [[[0.0]], [[-0.5]], [[0.1]] * 200])
def test_odd_sums_are_drawn(values: list[list[float]]) -> None:
    why = explained(values)
    for figure in (why.figure(), why.waterfall(), why.waterfall("image")):
        low, high = figure.layout["xaxis3" if "xaxis3" in figure.layout else "xaxis"].range
        assert low < high and json.loads(figure.to_json())


def test_a_sum_without_parts_is_one_sentence() -> None:
    nothing = channels_sum(Contributions(0.0, np.zeros((0, 1, 1)), np.zeros(1)))
    assert contributions(nothing).layout.annotations[0].text == (
        "There is no region, so there is nothing to add up."
    )


def test_summary_shows_score_notes_and_both_heats(why: Explanation) -> None:
    html = why._repr_mimebundle_()["text/html"]
    assert "<b>Score 0.720</b> of photos/image.jpg for the query query &lt;b&gt;" in html
    assert html.count("<img") == 1 and html.count("regions of the") == 2
    assert "level 1" in html and "76.4 %" in html and "<script" not in html
