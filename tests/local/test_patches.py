"""Patches around keypoints: crops, rotations, smoothing and borders computed by hand."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.things import thing
from workbench.local.patches import EXTENT, SIDE, cut_patches

STEP_ONE = SIDE / EXTENT  # the size of a keypoint whose patch is sampled at one pixel per step
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
def test_a_patch_sampled_at_one_pixel_per_step_equals_the_crop(left: int, top: int) -> None:
    picture = grey()
    (patch,) = cut_patches(picture, keypoint(left + MIDDLE, top + MIDDLE))
    assert patch.dtype == np.uint8
    np.testing.assert_array_equal(patch, picture[top : top + SIDE, left : left + SIDE])


@pytest.mark.parametrize("quarters", [0, 1, 2, 3, 4])
def test_a_patch_is_rotated_to_the_angle_of_its_keypoint(quarters: int) -> None:
    """A keypoint that points down (90 degrees, clockwise) is rotated counterclockwise to point right."""
    picture = grey()
    crop = picture[60 : 60 + SIDE, 80 : 80 + SIDE]
    (patch,) = cut_patches(picture, keypoint(80 + MIDDLE, 60 + MIDDLE, angle=90 * quarters))
    np.testing.assert_array_equal(patch, np.rot90(crop, quarters))


@pytest.mark.parametrize("angle", [0, 30, 77, 200])
@pytest.mark.parametrize("size", [2, 4, 9, 16, 40])
def test_a_patch_of_a_ramp_is_sampled_at_its_positions(size: float, angle: float) -> None:
    """Smoothing and halving do not change a ramp, so that a pixel's value gives its sampled position."""
    picture = ramp(640, 480, 0.25, 0.15)
    x, y = 310.0, 235.5
    (patch,) = cut_patches(picture, keypoint(x, y, size, angle))
    step, turn = EXTENT * size / SIDE, np.deg2rad(angle)
    dx, dy = np.meshgrid(np.arange(SIDE) - MIDDLE, np.arange(SIDE) - MIDDLE)
    at_x = x + step * (np.cos(turn) * dx - np.sin(turn) * dy)
    at_y = y + step * (np.sin(turn) * dx + np.cos(turn) * dy)
    error = patch - (0.25 * at_x + 0.15 * at_y)
    assert abs(error).max() < 1.5 and abs(error.mean()) < 0.3  # the picture has integer values


@pytest.mark.parametrize("size", [4, 8, 16, 32])
def test_the_keypoint_is_at_the_centre_of_its_patch(size: float) -> None:
    """Within a twentieth of a pixel of the patch, for any number of halvings of the picture."""
    x, y = 303.3, 207.6
    xs, ys = np.meshgrid(np.arange(640), np.arange(480))
    spot = np.exp(-((xs - x) ** 2 + (ys - y) ** 2) / (2 * size**2))
    (patch,) = cut_patches((250 * spot).round().astype(np.uint8), keypoint(x, y, size, 33))
    shares = patch / patch.sum()
    positions = np.arange(SIDE) - MIDDLE
    assert shares.sum(0) @ positions == pytest.approx(0, abs=0.05)
    assert shares.sum(1) @ positions == pytest.approx(0, abs=0.05)


def test_only_large_patches_are_smoothed() -> None:
    """Large patches of a checkerboard of single pixels are grey."""
    board = (np.indices((400, 400)).sum(0) % 2 * 255).astype(np.uint8)
    (near,) = cut_patches(board, keypoint(200 + 0.5, 200 + 0.5))
    assert set(np.unique(near)) == {0, 255}
    for times in (2, 4, 8):
        (far,) = cut_patches(board, keypoint(200, 200, times * STEP_ONE, 12))
        assert far.min() >= 120 and far.max() <= 135


@pytest.mark.parametrize(("x", "y"), [(-5, 40), (70, 60), (30, -3), (9999, 9999)])
def test_border_pixels_are_repeated_outside_the_picture(x: int, y: int) -> None:
    picture = grey()[:50, :60]
    (patch,) = cut_patches(picture, keypoint(x + 0.5, y + 0.5))
    columns = (x + np.arange(SIDE) - SIDE // 2 + 1).clip(0, 59)
    rows = (y + np.arange(SIDE) - SIDE // 2 + 1).clip(0, 49)
    np.testing.assert_array_equal(patch, picture[rows][:, columns])


@pytest.mark.parametrize("size", [(8, 8), (1, 1), (300, 2), (2, 300)])
@pytest.mark.parametrize("scale", [1e-3, 4, 100, 1e5])
def test_small_pictures_and_keypoints_of_any_size_do_not_raise(size: tuple[int, int], scale: float) -> None:
    plain = np.full(size[::-1], 77, np.uint8)
    np.testing.assert_array_equal(cut_patches(plain, keypoint(3, 1, scale, 10)), np.full((1, SIDE, SIDE), 77))


def test_no_keypoints_give_no_patches() -> None:
    patches = cut_patches(grey(), np.zeros((0, 4), np.float32))
    assert patches.shape == (0, SIDE, SIDE) and patches.dtype == np.uint8


def scattered(count: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    columns = rng.uniform(-10, 250, count), rng.uniform(-10, 190, count)
    sizes, angles = np.exp(rng.uniform(0, 4, count)), rng.uniform(0, 360, count)
    return np.column_stack([*columns, sizes, angles]).astype(np.float32)


def test_patches_of_a_large_batch_equal_single_patches() -> None:
    """OpenCV accepts at most 32,767 rows per call, fewer than those of 1,024 patches."""
    picture, points = grey(), scattered(2500, 0)
    points[:2100, 2] = 4  # of one level
    patches = cut_patches(picture, points)
    for row in (0, 999, 1000, 1001, 1023, 1024, 2099, 2100, 2499):
        np.testing.assert_array_equal(patches[row], cut_patches(picture, points[row : row + 1])[0])


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**31), st.integers(1, 40))
def test_patches_do_not_depend_on_the_order_of_keypoints(seed: int, count: int) -> None:
    picture, points = grey(), scattered(count, seed)
    order = np.random.default_rng(seed).permutation(count)
    np.testing.assert_array_equal(cut_patches(picture, points)[order], cut_patches(picture, points[order]))
