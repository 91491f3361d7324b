"""Patches around keypoints: crops, rotations, smoothing and borders computed by hand."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.things import thing
from workbench.local.patches import EXTENT, SIDE, cut_patches

STEP_ONE = SIDE / EXTENT  # the size of a keypoint whose patch takes one pixel a step
MIDDLE = (SIDE - 1) / 2


@lru_cache
def grey() -> np.ndarray:
    return np.asarray(thing("coffee").convert("L"))


def keypoint(x: float, y: float, size: float = STEP_ONE, angle: float = 0) -> np.ndarray:
    return np.array([[x, y, size, angle]], np.float32)


def ramp(width: int, height: int, across: float, down: float) -> np.ndarray:
    """A picture that is linear in both directions."""
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    return (across * x + down * y).round().astype(np.uint8)


@pytest.mark.parametrize(("left", "top"), [(0, 0), (37, 52), (240 - SIDE, 180 - SIDE)])
def test_a_patch_of_one_pixel_a_step_is_the_crop(left: int, top: int) -> None:
    picture = grey()
    (found,) = cut_patches(picture, keypoint(left + MIDDLE, top + MIDDLE))
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, picture[top : top + SIDE, left : left + SIDE])


@pytest.mark.parametrize("quarters", [0, 1, 2, 3, 4])
def test_a_turned_patch_is_turned_upright(quarters: int) -> None:
    """A keypoint that points down (90 degrees, clockwise) is turned against the clock to point right."""
    picture = grey()
    crop = picture[60 : 60 + SIDE, 80 : 80 + SIDE]
    (found,) = cut_patches(picture, keypoint(80 + MIDDLE, 60 + MIDDLE, angle=90 * quarters))
    np.testing.assert_array_equal(found, np.rot90(crop, quarters))


@pytest.mark.parametrize("angle", [0, 30, 77, 200])
@pytest.mark.parametrize("size", [2, 4, 9, 16, 40])
def test_a_patch_of_a_ramp_is_read_where_it_lies(size: float, angle: float) -> None:
    """Smoothing and halving leave a ramp as it is, so that every pixel tells where it was read."""
    picture = ramp(640, 480, 0.25, 0.15)
    x, y = 310.0, 235.5
    (found,) = cut_patches(picture, keypoint(x, y, size, angle))
    step, turn = EXTENT * size / SIDE, np.deg2rad(angle)
    across, down = np.meshgrid(np.arange(SIDE) - MIDDLE, np.arange(SIDE) - MIDDLE)
    at_x = x + step * (np.cos(turn) * across - np.sin(turn) * down)
    at_y = y + step * (np.sin(turn) * across + np.cos(turn) * down)
    off = found - (0.25 * at_x + 0.15 * at_y)
    assert abs(off).max() < 1.5 and abs(off.mean()) < 0.3  # the picture is of whole shades


@pytest.mark.parametrize("size", [4, 8, 16, 32])
def test_what_lies_at_a_keypoint_is_in_the_middle_of_its_patch(size: float) -> None:
    """To a twentieth of a pixel of the patch, however often the picture was halved."""
    x, y = 303.3, 207.6
    across, down = np.meshgrid(np.arange(640), np.arange(480))
    spot = np.exp(-((across - x) ** 2 + (down - y) ** 2) / (2 * size**2))
    (found,) = cut_patches((250 * spot).round().astype(np.uint8), keypoint(x, y, size, 33))
    shares = found / found.sum()
    places = np.arange(SIDE) - MIDDLE
    assert shares.sum(0) @ places == pytest.approx(0, abs=0.05)
    assert shares.sum(1) @ places == pytest.approx(0, abs=0.05)


def test_a_large_patch_is_smoothed_and_a_small_one_is_not() -> None:
    """A board of single black and white pixels is grey from afar."""
    board = (np.indices((400, 400)).sum(0) % 2 * 255).astype(np.uint8)
    (near,) = cut_patches(board, keypoint(200 + 0.5, 200 + 0.5))
    assert set(np.unique(near)) == {0, 255}
    for times in (2, 4, 8):
        (far,) = cut_patches(board, keypoint(200, 200, times * STEP_ONE, 12))
        assert far.min() >= 120 and far.max() <= 135


@pytest.mark.parametrize(("x", "y"), [(-5, 40), (70, 60), (30, -3), (9999, 9999)])
def test_beyond_the_border_its_pixels_repeat(x: int, y: int) -> None:
    picture = grey()[:50, :60]
    (found,) = cut_patches(picture, keypoint(x + 0.5, y + 0.5))
    columns = (x + np.arange(SIDE) - SIDE // 2 + 1).clip(0, 59)
    rows = (y + np.arange(SIDE) - SIDE // 2 + 1).clip(0, 49)
    np.testing.assert_array_equal(found, picture[rows][:, columns])


@pytest.mark.parametrize("size", [(8, 8), (1, 1), (300, 2), (2, 300)])
@pytest.mark.parametrize("scale", [1e-3, 4, 100, 1e5])
def test_small_pictures_and_any_size_of_keypoint(size: tuple[int, int], scale: float) -> None:
    plain = np.full(size[::-1], 77, np.uint8)
    np.testing.assert_array_equal(cut_patches(plain, keypoint(3, 1, scale, 10)), np.full((1, SIDE, SIDE), 77))


def test_none_gives_none() -> None:
    found = cut_patches(grey(), np.zeros((0, 4), np.float32))
    assert found.shape == (0, SIDE, SIDE) and found.dtype == np.uint8


def scattered(count: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    columns = rng.uniform(-10, 250, count), rng.uniform(-10, 190, count)
    sizes, angles = np.exp(rng.uniform(0, 4, count)), rng.uniform(0, 360, count)
    return np.column_stack([*columns, sizes, angles]).astype(np.float32)


def test_many_at_once_are_those_one_by_one() -> None:
    """OpenCV takes no more than 32,767 rows at a time: 1,024 patches would be too many."""
    picture, points = grey(), scattered(2500, 0)
    points[:2100, 2] = 4  # of one level
    found = cut_patches(picture, points)
    for row in (0, 999, 1000, 1001, 1023, 1024, 2099, 2100, 2499):
        np.testing.assert_array_equal(found[row], cut_patches(picture, points[row : row + 1])[0])


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**31), st.integers(1, 40))
def test_the_order_does_not_matter(seed: int, count: int) -> None:
    picture, points = grey(), scattered(count, seed)
    order = np.random.default_rng(seed).permutation(count)
    np.testing.assert_array_equal(cut_patches(picture, points)[order], cut_patches(picture, points[order]))
