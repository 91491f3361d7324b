"""Keypoints of images with known blobs, of rotated and of plain images; RootSIFT by hand."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from tests.support.things import thing
from workbench.local.keypoints import CONTRAST, MOST, as_array, detect, root, sift


def blob(x: float, y: float, sigma: float, size: tuple[int, int] = (160, 120)) -> np.ndarray:
    """A bright Gaussian spot on grey."""
    xs, ys = np.meshgrid(np.arange(size[0]), np.arange(size[1]))
    spot = np.exp(-((xs - x) ** 2 + (ys - y) ** 2) / (2 * sigma**2))
    return (60 + 150 * spot).round().astype(np.uint8)


def grey(name: str) -> np.ndarray:
    return np.asarray(thing(name).convert("L"))


@pytest.mark.parametrize(("x", "y"), [(80, 60), (70.3, 50.6), (90.5, 64.75)])
@pytest.mark.parametrize("sigma", [2.5, 4, 7])
def test_a_gaussian_blob_is_detected_at_its_position_and_size(x: float, y: float, sigma: float) -> None:
    """For a blob of deviation s, G(kt) - G(t) is maximal at t = s/√k, with k = ∛2; the size is 2t."""
    strongest = detect(blob(x, y, sigma))[0]
    np.testing.assert_allclose(strongest[:2], [x, y], atol=0.08)
    np.testing.assert_allclose(strongest[2], 2 * sigma * 2 ** (-1 / 6), rtol=0.02)


def test_angles_are_clockwise_in_the_picture() -> None:
    """A blob on a ramp: gradients point to its brighter side, and y points down."""
    for degrees in (0, 50, 130, 200, 290):
        turn = np.deg2rad(degrees)
        xs, ys = np.meshgrid(np.arange(121) - 60, np.arange(121) - 60)
        ramp = 0.9 * (xs * np.cos(turn) + ys * np.sin(turn))
        dark = 25 * np.exp(-(xs**2 + ys**2) / (2 * 5**2))
        points = detect((110 + ramp - dark).clip(0, 255).astype(np.uint8))
        central = points[np.hypot(points[:, 0] - 60, points[:, 1] - 60) < 3]
        off = (central[:, 3] - degrees + 180) % 360 - 180
        assert len(central) and abs(off).min() < 8


@pytest.mark.parametrize("quarters", [1, 2, 3])
@pytest.mark.parametrize("name", ["coffee", "astronaut"])
def test_a_rotated_picture_has_the_rotated_keypoints(name: str, quarters: int) -> None:
    """At least 85 of 100 keypoints, within a tenth of a pixel, 5 degrees and a tenth of the size; the others
    differ by the choice between two equal pixels."""
    upright = grey(name)
    height, width = upright.shape
    x, y, size, angle = detect(upright).T
    for _ in range(quarters):  # np.rot90 rotates counterclockwise
        x, y, angle, width, height = y, width - 1 - x, angle - 90, height, width
    expected = np.stack([x, y, size, angle % 360], 1)
    points = detect(np.ascontiguousarray(np.rot90(upright, quarters)))
    distance = np.linalg.norm(expected[:, None, :2] - points[None, :, :2], axis=2)
    rotation = abs((expected[:, None, 3] - points[None, :, 3] + 180) % 360 - 180)
    ratio = abs(np.log(expected[:, None, 2] / points[None, :, 2]))
    repeated = ((distance < 0.1) & (rotation < 5) & (ratio < 0.1)).any(1)
    assert len(expected) > 200 and abs(len(points) / len(expected) - 1) < 0.05
    assert repeated.mean() > 0.85


@pytest.mark.parametrize(
    "size", [(64, 64), (5, 5), (1, 1), (1000, 1), (1, 1000), (8, 8), (2000, 8), (7, 300)]
)
@pytest.mark.parametrize("shade", [0, 128, 255])
def test_a_picture_of_one_colour_has_no_keypoint(size: tuple[int, int], shade: int) -> None:
    plain = np.full(size[::-1], shade, np.uint8)
    assert detect(plain).shape == (0, 4)
    points, descriptors = sift(plain)
    assert points.shape == (0, 4) and points.dtype == np.float32
    assert descriptors.shape == (0, 128) and descriptors.dtype == np.uint8


@pytest.mark.parametrize("size", [(1, 1), (5, 5), (1000, 1), (3, 400), (8, 8), (9, 500)])
def test_pictures_of_any_shape_do_not_raise(size: tuple[int, int]) -> None:
    noise = np.random.default_rng(0).integers(0, 256, size[::-1]).astype(np.uint8)
    points, descriptors = sift(noise)
    assert len(points) == len(descriptors)
    assert (points[:, :2] > -1).all() and (points[:, :2] < size).all()


def test_keypoints_are_sorted_by_strength_and_limited() -> None:
    """Blobs of equal size in any order are detected in the order of decreasing contrast."""
    heights = [90, 50, 110, 30, 70]
    picture = np.full((100, 500), 40.0)
    for number, height in enumerate(heights):
        picture += height / 150 * (blob(50 + 100 * number, 50, 4, (500, 100)).astype(float) - 60)
    picture = picture.round().astype(np.uint8)
    points = detect(picture)
    order = list(dict.fromkeys((points[:, 0] // 100).astype(int).tolist()))
    assert order == np.argsort(heights)[::-1].tolist()
    for most in (1, 3, len(points), 10_000):
        np.testing.assert_array_equal(detect(picture, most), points[:most])


@pytest.mark.parametrize("most", [MOST, 25])
def test_sift_describes_the_keypoints_of_detect(most: int) -> None:
    picture = grey("coins")
    points, descriptors = sift(picture, most)
    np.testing.assert_array_equal(points, detect(picture, most))
    assert descriptors.shape == (len(points), 128) and descriptors.dtype == np.uint8
    # A keypoint described alone has the same descriptor within rounding.
    create: Any = getattr(cv2, "SIFT_create")  # noqa: B009  # OpenCV's types lack it
    detector = create(contrastThreshold=CONTRAST, enable_precise_upscale=True)
    keypoint_at = {tuple(as_array([keypoint])[0]): keypoint for keypoint in detector.detect(picture, None)}
    for row in (0, len(points) // 2, len(points) - 1):
        _, single = detector.compute(picture, [keypoint_at[tuple(points[row])]])
        np.testing.assert_allclose(single[0], descriptors[row], atol=3)


def test_sift_is_invariant_to_brightness() -> None:
    """Lowe (2004), section 6.1: an added brightness does not change gradients."""
    picture = grey("coins")
    darker = (picture // 4 * 2).astype(np.uint8)  # even values, so that halves and sums are exact
    _, expected = sift(darker, 50)
    _, brighter = sift(darker + np.uint8(90), 50)
    np.testing.assert_array_equal(expected, brighter)


def test_root_sift_by_hand() -> None:
    values = np.zeros((3, 128), np.uint8)
    values[0, [5, 9]] = [9, 16]
    values[1] = 200
    expected = np.zeros((3, 128))
    expected[0, [5, 9]] = [3 / 5, 4 / 5]
    expected[1] = 128**-0.5
    rooted = root(values)
    assert rooted.dtype == np.float32
    np.testing.assert_allclose(rooted, expected, atol=1e-7)
    assert root(np.zeros((0, 128), np.uint8)).shape == (0, 128)


@given(arrays.arrays(np.uint8, (2, 128), elements=st.integers(0, 255)))
def test_products_of_root_sift_are_the_hellinger_kernel(pair: np.ndarray) -> None:
    a, b = root(pair).astype(np.float64)
    x, y = (histogram / max(histogram.sum(), 1) for histogram in pair.astype(np.float64))
    assert a @ b == pytest.approx(np.sqrt(x * y).sum(), abs=1e-5)
    assert np.linalg.norm(a) == pytest.approx(1 if pair[0].any() else 0, abs=1e-5)
