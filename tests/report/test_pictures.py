"""Pictures to download: heat on its scale, lines of matches, and names drawn as text."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.support.matches import shifted_match
from workbench.collections.named_picture import NamedPicture
from workbench.config.errors import WorkbenchError
from workbench.report.pictures import LARGEST, heat_picture, match_picture

GREY = Image.new("RGB", (400, 200), (128, 128, 128))
NAUGHTY = "<img src=x onerror=alert(1)>\u202e\n" * 12


def colours(picture: Image.Image) -> np.ndarray:
    """How much more red than blue a picture is."""
    red, _, blue = np.moveaxis(np.asarray(picture, int), 2, 0)
    return np.asarray(red - blue)


def test_heat_lies_over_its_cells_and_the_scale_below_the_picture() -> None:
    heat = np.array([[1.0, -0.5, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0]])
    shown = heat_picture([NamedPicture("grey.png", GREY)], [heat], "part of the score", ["pipeline"])
    tint = colours(shown)
    picture = tint[12:212, 12:412]  # a margin of 12 pixels
    assert picture[40, 30] > 60  # orange adds
    assert picture[40, 150] < -30  # blue subtracts
    assert abs(picture[150:, 250:]).max() <= 3  # no heat
    assert shown.width == 400 + 2 * 12
    scale = tint[212:]
    assert scale.max() > 60 and scale.min() < -60


def test_unsigned_heat_has_a_scale_from_zero_and_a_given_end() -> None:
    grey, heat = [NamedPicture("grey.png", GREY)], [np.ones((2, 2))]
    half = heat_picture(grey, heat, "norm", signed=False, top=2.0)
    whole = heat_picture(grey, heat, "norm", signed=False)
    assert not np.array_equal(np.asarray(half)[20:200, 20:400], np.asarray(whole)[20:200, 20:400])
    assert heat_picture(grey, [np.zeros((2, 2))], "norm").size == heat_picture(grey, heat, "norm").size


@pytest.mark.parametrize("size", [(900, 20), (20, 900), (3000, 2400)])
def test_odd_pictures_with_hostile_names_fit_on_their_sheet(size: tuple[int, int]) -> None:
    picture = NamedPicture(NAUGHTY, Image.new("RGB", size))
    shown = heat_picture([picture, picture], [np.ones((2, 3)), np.ones((1, 1))], NAUGHTY, [NAUGHTY])
    assert shown.width >= 2 * min(size[0], LARGEST) and shown.height > min(size[1], LARGEST)
    border = np.asarray(shown)[:, :4]
    assert (border == 255).all()  # nothing is cut at the left


def test_lines_of_inliers_join_the_places_of_keypoints() -> None:
    match = shifted_match(20)
    shown = match_picture(match, ["pipeline"])
    x, y = match.query.points[match.table["query_keypoint"][0], :2]
    blue = -colours(shown)
    assert blue[12 + int(y) - 3 : 12 + int(y) + 4, 12 + int(x) : 12 + int(x) + 6].max() > 100
    assert shown.width > 800


def test_missing_picture_is_named() -> None:
    gone = NamedPicture("gone.jpg", Path("/nowhere/gone.jpg"))
    with pytest.raises(WorkbenchError, match=r"image 'gone\.jpg': the file is missing"):
        heat_picture([gone], [np.ones((2, 2))], "norm")
