"""Spatial verification: known homographies are found, and impossible pairs of views are rejected."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.things import thing
from workbench.learning.hardnet.correspondence import transform_keypoints
from workbench.learning.hardnet.patch_pairs import random_view
from workbench.local.features import LocalFeatures, extract
from workbench.local.keypoints import sift
from workbench.local.verification import (
    MAX_RATIO,
    MIN_INLIERS,
    degenerate,
    match,
    rerank,
    verified_results,
    verify,
)
from workbench.search.ranking import Ranking

SIZE = (400, 300)
SHIFT = np.array([[1.0, 0, 30], [0, 1, 20], [0, 0, 1]])
TILT = np.array([[0.9, 0.2, 10], [-0.1, 1.1, 15], [2e-4, 1e-4, 1]])


def scattered(count: int, seed: int = 0, side: float = 200) -> np.ndarray:
    places = np.random.default_rng(seed).uniform(20, side, (count, 2))
    return np.column_stack([places, np.full(count, 6), np.zeros(count)]).astype(np.float32)


def alike(points: np.ndarray, moved: np.ndarray, seed: int = 1) -> tuple[LocalFeatures, LocalFeatures]:
    """Two pictures whose i-th keypoints have the same random descriptors."""
    vectors = np.random.default_rng(seed).standard_normal((len(points), 128))
    stored = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float16)
    return LocalFeatures(points, stored, SIZE), LocalFeatures(moved.astype(np.float32), stored, SIZE)


@pytest.mark.parametrize("model", [SHIFT, TILT])
def test_a_known_homography_is_found(model: np.ndarray) -> None:
    points = scattered(60)
    found = verify(*alike(points, transform_keypoints(points, model)))
    assert found.inliers == 60 and found.inside.all() and not found.why
    assert found.model is not None
    corners = np.array([[20, 20, 6, 0], [200, 20, 6, 0], [200, 200, 6, 0], [20, 200, 6, 0]], float)
    np.testing.assert_allclose(
        transform_keypoints(corners, found.model)[:, :2],
        transform_keypoints(corners, model)[:, :2],
        atol=0.05,
    )


def test_an_affinity_is_found_and_sees_no_perspective() -> None:
    points = scattered(60)
    flat = np.array([[1.2, 0.3, 10], [-0.2, 0.9, 30], [0, 0, 1]])
    found = verify(*alike(points, transform_keypoints(points, flat)), kind="affine")
    assert found.inliers == 60 and found.model is not None
    np.testing.assert_allclose(found.model, flat, atol=0.01)
    steep = np.array([[1.0, 0, 0], [0, 1, 0], [2e-3, 1e-3, 1]])
    pair = alike(points, transform_keypoints(points, steep))
    assert verify(*pair).inliers == 60 > verify(*pair, kind="affine").inliers


def test_wrong_matches_are_left_outside() -> None:
    points = scattered(60)
    moved = transform_keypoints(points, TILT)
    wrong = np.arange(0, 60, 3)
    moved[wrong, :2] = np.random.default_rng(3).uniform(0, 300, (len(wrong), 2))
    found = verify(*alike(points, moved))
    inside = set(found.pairs[found.inside, 0].tolist())
    assert inside >= set(range(60)) - set(wrong.tolist())
    assert len(inside & set(wrong.tolist())) <= 1  # by chance one may fall where it should
    assert found.inliers == len(inside)


def test_matches_of_one_place_count_once() -> None:
    points = np.repeat(scattered(20), 3, axis=0)  # three directions at each place
    found = verify(*alike(points, transform_keypoints(points, SHIFT)))
    assert found.inside.sum() == 60
    assert found.inliers == 20


@pytest.mark.parametrize(
    ("model", "why"),
    [
        (np.array([[-1.0, 0, 380], [0, 1, 5], [0, 0, 1]]), "no homography fits"),  # of a mirror
        (np.array([[8.0, 0, -150], [0, 8, -150], [0, 0, 1]]), "changes its area 64 times"),
        (np.array([[0.1, 0, 50], [0, 0.1, 50], [0, 0, 1]]), "changes its area 0.01 times"),
    ],
)
def test_what_cannot_be_a_view_is_turned_down(model: np.ndarray, why: str) -> None:
    points = scattered(40)
    found = verify(*alike(points, transform_keypoints(points, model)))
    assert found.inliers == 0 and found.model is None and not found.inside.any()
    assert why in found.why


def test_points_on_a_line_folds_and_mirrors_are_turned_down() -> None:
    line = np.column_stack([np.linspace(20, 200, 30), np.linspace(30, 120, 30)])
    other = line + 5
    assert degenerate(SHIFT, line, other, SIZE, SIZE) == "the inliers lie on a line"
    across = scattered(30)[:, :2]
    fold = np.array([[1, 0, 0], [0, 1, 0], [-0.01, 0, 1.0]])  # the line at infinity is x = 100
    assert degenerate(fold, across, across, SIZE, SIZE) == "the picture is folded over"
    mirror = np.array([[-1.0, 0, 380], [0, 1, 5], [0, 0, 1]])
    assert degenerate(mirror, across, across, SIZE, SIZE) == "the picture is mirrored"
    assert not degenerate(SHIFT, across, across + 5, SIZE, SIZE)


def test_pictures_without_keypoints_and_with_few_are_said() -> None:
    nothing = LocalFeatures(np.zeros((0, 4), np.float32), np.zeros((0, 128), np.uint8), SIZE)
    some, _ = alike(scattered(30), scattered(30))
    few, moved = alike(scattered(MIN_INLIERS - 1), transform_keypoints(scattered(MIN_INLIERS - 1), SHIFT))
    assert verify(nothing, some).why == "no keypoints in the query"
    assert verify(some, nothing).why == "no keypoints in the image"
    assert verify(few, moved).why == f"{MIN_INLIERS - 1} matches are too few"
    assert all(found.inliers == 0 for found in (verify(nothing, some), verify(few, moved)))


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**31), st.integers(0, 30), st.integers(0, 30))
def test_matches_are_those_of_the_plain_definition(seed: int, here: int, there: int) -> None:
    rng = np.random.default_rng(seed)
    spread = rng.standard_normal((here, 8)) * 0.3 + rng.standard_normal(8)
    a = (spread / np.linalg.norm(spread, axis=1, keepdims=True)).astype(np.float32)
    copied = a[rng.integers(0, here, there)] if here else rng.standard_normal((there, 8))
    noisy = copied + rng.standard_normal((there, 8)) * 0.05
    b = (noisy / np.linalg.norm(noisy, axis=1, keepdims=True)).astype(np.float32)
    pairs, distances, ratios = match(a, b)
    expected = []
    apart = np.linalg.norm(a[:, None] - b[None], axis=2) if here and there else np.zeros((here, there))
    for i in range(here if there else 0):
        order = np.argsort(apart[i], kind="stable")
        mutual = apart[:, order[0]].argmin() == i
        if there == 1:
            ratio = apart[i, order[0]] / np.sqrt(2 + 4)  # no other: as far as can be asked for
        else:
            ratio = apart[i, order[0]] / max(apart[i, order[1]], 1e-9)
        if mutual and ratio <= MAX_RATIO:
            expected.append((i, int(order[0])))
    assert [tuple(pair) for pair in pairs.tolist()] == expected or abs(ratios - MAX_RATIO).min() < 1e-3
    if len(pairs):
        np.testing.assert_allclose(distances, apart[tuple(pairs.T)], atol=2e-3)


def test_a_photo_and_a_view_of_it_are_verified_the_same_each_time() -> None:
    photo = np.asarray(thing("coffee"))
    other, model = random_view(photo, np.random.default_rng(4))
    pair = extract(photo, sift), extract(np.repeat(other[..., None], 3, 2), sift)
    found, again = verify(*pair), verify(*pair)
    assert found.inliers >= 20
    np.testing.assert_array_equal(found.inside, again.inside)
    right = transform_keypoints(pair[0].points[found.pairs[found.inside, 0]], model)[:, :2]
    apart = np.linalg.norm(right - pair[1].points[found.pairs[found.inside, 1], :2], axis=1)
    assert np.mean(apart < 4) > 0.95
    assert verify(pair[0], extract(np.asarray(thing("chelsea")), sift)).inliers == 0


def test_verified_images_come_first_and_the_rest_stays_as_it_was() -> None:
    points = scattered(40)
    query, same = alike(points, transform_keypoints(points, SHIFT))
    _, half = alike(points, np.vstack([transform_keypoints(points[:20], SHIFT), scattered(20, 9, 380)]))
    other, _ = alike(scattered(40, 5), scattered(40, 6), seed=7)
    nothing = LocalFeatures(np.zeros((0, 4), np.float32), np.zeros((0, 128), np.float16), SIZE)
    pictures = {0: other, 1: nothing, 2: half, 3: same, 4: same}
    found = Ranking(np.array([0, 1, 2, 3, 4]), np.array([0.9, 0.8, 0.7, 0.6, 0.5], np.float32))
    again = rerank(query, found, pictures.__getitem__, 4)
    assert again.rows.tolist() == [3, 2, 0, 1, 4]  # the fifth was not looked at
    np.testing.assert_allclose(again.scores[[0, 2, 3, 4]], [40.6, 0.9, 0.8, 0.5], rtol=1e-6)
    assert 20.7 <= again.scores[1] < 25
    assert verified_results(again).rows.tolist() == [3, 2]
    untouched = rerank(query, found, lambda row: other, 4)
    np.testing.assert_array_equal(untouched.rows, found.rows)
    np.testing.assert_array_equal(untouched.scores, found.scores)
