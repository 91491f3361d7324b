"""Views of a poster: camera, occlusion and grade, computed by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.collections.posters.scenes import Pixels, Scene, paste
from workbench.collections.posters.views import Pose, View, homography, project
from workbench.common.geometry import polygon_area


def blank(width: int = 200, height: int = 100) -> Scene:
    return Scene(np.zeros((height, width, 3), np.uint8))


def sheet(width: int, height: int) -> Pixels:
    return np.full((height, width, 4), 255, np.uint8)


def test_a_frontal_sheet_is_scaled_and_translated() -> None:
    # 100x50 fills the frame of 200x100 at scale 1; at scale 0.5 it has its own size, centred at (80, 40).
    matrix, tilt = homography((100, 50), Pose((0.4, 0.4), 0.5), (200, 100))
    assert np.allclose(matrix, [[1, 0, 30], [0, 1, 15], [0, 0, 1]])
    assert np.allclose(project(matrix, (100, 50)), [[30, 15], [130, 15], [130, 65], [30, 65]])
    assert tilt == pytest.approx(
        np.degrees(np.arctan(np.hypot(20, 10) / 220))
    )  # caused by the line of sight only


def test_a_rotated_sheet_is_projected_by_a_pinhole_camera() -> None:
    # Focal length 1.1 · 200 = 220 = depth (the sheet has its own size). A rotation by 60° about the vertical
    # axis moves the right edge (x = 50) to x = 25 and nearer by 50 · sin 60°.
    matrix, tilt = homography((100, 50), Pose((0.5, 0.5), 0.5, yaw=60), (200, 100))
    corners = project(matrix, (100, 50))
    near, far = 220 - 50 * np.sin(np.pi / 3), 220 + 50 * np.sin(np.pi / 3)
    assert tilt == pytest.approx(60)
    assert corners[:, 0] == pytest.approx(100 + 220 * 25 * np.array([-1 / far, 1 / near, 1 / near, -1 / far]))
    assert corners[:, 1] == pytest.approx(50 + 220 * 25 * np.array([-1 / far, -1 / near, 1 / near, 1 / far]))


@given(
    st.floats(0.1, 1.2), st.floats(-65, 65), st.floats(-30, 30), st.floats(-180, 180),
    st.tuples(st.floats(0.1, 0.9), st.floats(0.1, 0.9)),
)  # fmt: skip
def test_a_projection_keeps_the_given_centre_and_orientation(
    scale: float, yaw: float, pitch: float, roll: float, centre: tuple[float, float]
) -> None:
    matrix, tilt = homography((440, 620), Pose(centre, scale, yaw, pitch, roll), (640, 480))
    x, y, w = matrix @ [220, 310, 1]
    assert (x / w, y / w) == pytest.approx((centre[0] * 640, centre[1] * 480))
    corners = project(matrix, (440, 620))
    sides = np.roll(corners, -1, 0) - corners
    turns = sides[:, 0] * np.roll(sides[:, 1], -1) - sides[:, 1] * np.roll(sides[:, 0], -1)
    assert (turns > 0).all() and 0 <= tilt <= 90  # clockwise (y is down) and convex


def test_polygon_areas_equal_values_computed_by_hand() -> None:
    assert polygon_area(np.array([[0, 0], [4, 0], [4, 3]], float)) == 6
    assert polygon_area(np.array([[1, 1], [1, 5], [6, 5], [6, 1]], float)) == 20


def test_a_sheet_fills_its_quadrilateral_exactly() -> None:
    scene = blank()
    paste(scene, sheet(100, 50), Pose((0.5, 0.5), 0.5), number=7)
    inside = np.zeros((100, 200), bool)
    inside[25:75, 50:150] = True
    assert (scene.pixels[inside] == 255).all() and (scene.pixels[~inside] == 0).all()
    (view,) = scene.views()
    assert (view.number, view.tilt, view.size) == (7, pytest.approx(0), pytest.approx(0.25))
    assert view.visible == pytest.approx(1)


@pytest.mark.parametrize(
    ("x", "y", "visible"),
    [(0.5, 0.5, 1), (0.0, 0.5, 0.5), (1.0, 1.0, 0.25), (0.875, 0.5, 0.75)],
)
def test_the_part_outside_the_frame_is_not_visible(x: float, y: float, visible: float) -> None:
    scene = blank()
    paste(scene, sheet(100, 50), Pose((x, y), 0.5), number=0)
    assert scene.views()[0].visible == pytest.approx(visible)


def test_occlusion_counts_once_and_only_by_later_sheets() -> None:
    scene = blank()
    paste(scene, sheet(100, 50), Pose((0.5, 0.5), 0.5))  # below the poster: hides nothing
    paste(scene, sheet(100, 50), Pose((0.5, 0.5), 0.5), number=0)
    paste(scene, sheet(100, 50), Pose((0.25, 0.5), 0.5))  # its right half covers the left half
    assert scene.views()[0].visible == pytest.approx(0.5)
    paste(scene, sheet(100, 50), Pose((0.25, 0.75), 0.5), number=1)  # the same columns are hidden already
    first, second = scene.views()
    assert first.visible == pytest.approx(0.5) and second.visible == pytest.approx(1)
    paste(
        scene, sheet(100, 50), Pose((0.5, 0.75), 0.5)
    )  # hides a quarter of the first and half of the second
    first, second = scene.views()
    assert first.visible == pytest.approx(0.25) and second.visible == pytest.approx(0.5)


@pytest.mark.parametrize("centre", [(0.5, 0.5), (1.3, 0.5)])
def test_a_hidden_poster_is_not_in_the_scene(centre: tuple[float, float]) -> None:
    scene = blank()
    paste(scene, sheet(100, 50), Pose(centre, 0.5), number=0)
    paste(scene, sheet(100, 50), Pose((0.5, 0.5), 0.6))
    assert scene.views() == []


def test_a_cut_out_covers_only_its_opaque_pixels() -> None:
    item = sheet(100, 50)
    item[:, :30, 3] = 0
    scene = blank()
    paste(scene, sheet(100, 50), Pose((0.5, 0.5), 0.5), number=0)
    paste(scene, item, Pose((0.5, 0.5), 0.5))
    assert scene.views()[0].visible == pytest.approx(0.3, abs=0.01)


@given(st.floats(0.3, 1.1), st.floats(-55, 55), st.floats(-20, 20), st.floats(-40, 40))
def test_a_sheet_inside_the_frame_is_fully_visible(
    scale: float, yaw: float, pitch: float, roll: float
) -> None:
    scene = Scene(np.zeros((450, 450, 3), np.uint8))
    paste(scene, sheet(220, 310), Pose((0.5, 0.5), scale / 2, yaw, pitch, roll), number=0)
    (view,) = scene.views()
    assert view.visible == pytest.approx(1, abs=0.01)  # masks and shoelace formula agree
    assert view.size == pytest.approx(polygon_area(view.corners) / 450**2)


@pytest.mark.parametrize(
    ("visible", "tilt", "size", "grade"),
    [
        (1, 0, 0.5, "easy"),
        (0.85, 25, 0.2, "easy"),
        (0.84, 0, 0.5, "hard"),
        (1, 26, 0.5, "hard"),
        (1, 0, 0.19, "hard"),
        (0.2, 0, 0.5, "hard"),
        (0.19, 0, 0.5, "junk"),
        (1, 0, 0.003, "junk"),
        (0, 0, 0.5, "junk"),
    ],
)
def test_grades_follow_visibility_tilt_and_size(visible: float, tilt: float, size: float, grade: str) -> None:
    assert View(0, np.zeros((4, 2)), visible, tilt, size).grade == grade
