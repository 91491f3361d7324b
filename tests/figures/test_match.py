"""The figure of a match: lines between matching keypoints at their places, inliers apart from others."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.matches import SHIFT, SIZE, shifted_match
from workbench.collections.named_picture import NamedPicture
from workbench.config.errors import WorkbenchError
from workbench.figures.match import MATCHES
from workbench.local.features import LocalFeatures
from workbench.local.matching import Match, match


def trace(figure: Any, name: str) -> Any:
    return next(trace for trace in figure.data if trace.name == name)


def test_inliers_are_lines_between_the_places_of_both_keypoints() -> None:
    shown = shifted_match(60, 20)
    figure = shown.figure()
    assert shown.inliers == 60
    assert figure.layout.title.text.startswith("60 inliers of ")
    assert "n = 80 and 80 keypoints" in figure.layout.title.subtitle.text
    assert "semi-synthetic" not in figure.layout.title.subtitle.text
    inliers, others = trace(figure, "inliers"), trace(figure, "other matches")
    assert inliers.line.dash != others.line.dash and inliers.line.color != others.line.color
    assert len(inliers.x) == 3 * 60
    assert len(others.x) == 3 * (len(shown.table) - 60)
    # The longer side of a picture is 1, so that both are 1 wide; the image is to the right of the query.
    left, right = figure.layout.images
    assert (left.x, left.sizex, left.sizey, right.sizex) == (0, 1, SIZE[1] / SIZE[0], 1)
    row = int(inliers.ids[0])
    x, y = shown.query.points[shown.table["query_keypoint"][row], :2]
    np.testing.assert_allclose(inliers.x[:2], [x / 400, right.x + (x + SHIFT[0]) / 400], atol=1e-5)
    np.testing.assert_allclose(inliers.y[:2], [left.y + y / 400, right.y + (y + SHIFT[1]) / 400], atol=1e-5)
    assert np.isnan(inliers.x[2])
    assert inliers.hovertext[0] == f"match {row + 1}: distance 0.00, ratio 0.00"


def test_inliers_come_first_among_the_matches_that_are_drawn() -> None:
    shown = shifted_match(MATCHES + 10, 40)
    figure = shown.figure()
    assert f"the best {MATCHES} matches are drawn" in figure.layout.title.subtitle.text
    assert len(trace(figure, "inliers").x) == 3 * MATCHES
    assert not [trace for trace in figure.data if trace.name == "other matches"]


def test_match_without_inliers_says_why_in_its_title() -> None:
    few = shifted_match(3)
    assert few.outcome == "not verified: 3 matches are too few"
    figure = few.figure()
    assert figure.layout.title.text == "Not verified: 3 matches are too few"
    assert len(trace(figure, "other matches").x) == 9
    assert repr(few) == "Match(not verified: 3 matches are too few; 3 and 3 keypoints)"


def test_circles_have_the_diameter_and_the_direction_of_keypoints() -> None:
    shown = shifted_match(12)
    circles = trace(shown.figure("keypoints"), "keypoints of the query")
    x, y = (np.array(values).reshape(12, -1) for values in (circles.x, circles.y))
    centre = np.array([x[0, 0], y[0, 0]])
    rim = np.stack([x[0, 1:-1], y[0, 1:-1]], 1)
    np.testing.assert_allclose(np.linalg.norm(rim - centre, axis=1), 4 / 400, rtol=1e-5)  # diameter 8
    np.testing.assert_allclose(rim[0] - centre, [0, 4 / 400], atol=1e-6)  # 90° clockwise: downwards


def test_pictures_without_keypoints_and_without_files_are_shown() -> None:
    none = LocalFeatures(np.zeros((0, 4), np.float32), np.zeros((0, 128), np.float16), SIZE)
    empty = match(none, none)
    assert empty.figure().layout.title.text == "Not verified: no keypoints in the query"
    assert [note.text for note in empty.figure().layout.annotations].count("no picture") == 2
    assert len(empty.figure("keypoints").data) == 4
    gone = NamedPicture("gone.jpg", Path("/nowhere/gone.jpg"))
    missing = replace(shifted_match(20), pictures=(gone, gone))
    assert [note.text for note in missing.figure().layout.annotations] == ["gone.jpg", "no picture"] * 2
    assert "image &#x27;gone.jpg&#x27;: the file is missing" in missing._repr_html_()


def test_other_kinds_are_rejected() -> None:
    with pytest.raises(WorkbenchError, match="valid: matches, keypoints"):
        shifted_match(3).figure("words")


def test_html_shows_the_pictures_and_names_as_text() -> None:
    name = "<img src=x onerror=alert(1)>.jpg"
    html = shifted_match(20, names=(name, name))._repr_html_()
    assert "20 inliers of 20 matches" in html
    assert html.count("<img") == 1 and "&lt;img src=x" in html
    assert 'src="data:image/jpeg;base64,' in html


@pytest.mark.parametrize("size", [(2000, 100), (100, 2000)])
def test_wide_and_tall_pictures_keep_their_shape(size: tuple[int, int]) -> None:
    shown = shifted_match(20)
    query: LocalFeatures = replace(shown.query, size=size)
    odd = Match(query, shown.image, shown.verified, shown.table, shown.words, shown.words_of)
    shapes = odd.figure().layout.shapes
    ratio = (shapes[0].x1 - shapes[0].x0) / (shapes[0].y1 - shapes[0].y0)
    assert ratio == pytest.approx(size[0] / size[1])
