"""Spatial verification: known homographies are found, and impossible ones are rejected."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.things import thing
from workbench.learning.hardnet.correspondence import transform_keypoints
from workbench.learning.hardnet.patch_pairs import random_view
from workbench.local.describers import sift
from workbench.local.feature_store import extract
from workbench.local.features import LocalFeatures
from workbench.local.nearest_neighbours import MAX_RATIO, match
from workbench.local.verification import (
    MIN_INLIERS,
    degenerate,
    rerank,
    verified_results,
    verify,
)
from workbench.search.ranking import Ranking

SIZE = (400, 300)
SHIFT = np.array([[1.0, 0, 30], [0, 1, 20], [0, 0, 1]])
TILT = np.array([[0.9, 0.2, 10], [-0.1, 1.1, 15], [2e-4, 1e-4, 1]])


def scattered(count: int, seed: int = 0, side: float = 200) -> np.ndarray:
    positions = np.random.default_rng(seed).uniform(20, side, (count, 2))
    return np.column_stack([positions, np.full(count, 6), np.zeros(count)]).astype(np.float32)


def alike(points: np.ndarray, moved: np.ndarray, seed: int = 1) -> tuple[LocalFeatures, LocalFeatures]:
    """Two pictures whose i-th keypoints have the same random descriptors."""
    vectors = np.random.default_rng(seed).standard_normal((len(points), 128))
    stored = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float16)
    return LocalFeatures(points, stored, SIZE), LocalFeatures(moved.astype(np.float32), stored, SIZE)


@pytest.mark.parametrize("model", [SHIFT, TILT])
def test_a_known_homography_is_found(model: np.ndarray) -> None:
    points = scattered(60)
    verified = verify(*alike(points, transform_keypoints(points, model)))
    assert verified.inliers == 60 and verified.inside.all() and not verified.why
    assert verified.model is not None
    corners = np.array([[20, 20, 6, 0], [200, 20, 6, 0], [200, 200, 6, 0], [20, 200, 6, 0]], float)
    np.testing.assert_allclose(
        transform_keypoints(corners, verified.model)[:, :2],
        transform_keypoints(corners, model)[:, :2],
        atol=0.05,
    )


def test_an_affinity_is_found_and_does_not_fit_perspective() -> None:
    points = scattered(60)
    flat = np.array([[1.2, 0.3, 10], [-0.2, 0.9, 30], [0, 0, 1]])
    verified = verify(*alike(points, transform_keypoints(points, flat)), kind="affine")
    assert verified.inliers == 60 and verified.model is not None
    np.testing.assert_allclose(verified.model, flat, atol=0.01)
    steep = np.array([[1.0, 0, 0], [0, 1, 0], [2e-3, 1e-3, 1]])
    pair = alike(points, transform_keypoints(points, steep))
    assert verify(*pair).inliers == 60 > verify(*pair, kind="affine").inliers


def test_wrong_matches_are_no_inliers() -> None:
    points = scattered(60)
    moved = transform_keypoints(points, TILT)
    wrong = np.arange(0, 60, 3)
    moved[wrong, :2] = np.random.default_rng(3).uniform(0, 300, (len(wrong), 2))
    verified = verify(*alike(points, moved))
    inside = set(verified.pairs[verified.inside, 0].tolist())
    assert inside >= set(range(60)) - set(wrong.tolist())
    assert len(inside & set(wrong.tolist())) <= 1  # by chance one may fall where it should
    assert verified.inliers == len(inside)


def test_matches_of_one_position_count_once() -> None:
    points = np.repeat(scattered(20), 3, axis=0)  # three angles at each position
    verified = verify(*alike(points, transform_keypoints(points, SHIFT)))
    assert verified.inside.sum() == 60
    assert verified.inliers == 20


@pytest.mark.parametrize(
    ("model", "why"),
    [
        (np.array([[-1.0, 0, 380], [0, 1, 5], [0, 0, 1]]), "no homography fits"),  # a mirror image
        (np.array([[8.0, 0, -150], [0, 8, -150], [0, 0, 1]]), "changes its area 64 times"),
        (np.array([[0.1, 0, 50], [0, 0.1, 50], [0, 0, 1]]), "changes its area 0.01 times"),
    ],
)
def test_impossible_homographies_are_rejected(model: np.ndarray, why: str) -> None:
    points = scattered(40)
    verified = verify(*alike(points, transform_keypoints(points, model)))
    assert verified.inliers == 0 and verified.model is None and not verified.inside.any()
    assert why in verified.why


def test_collinear_points_folds_and_mirrors_are_rejected() -> None:
    line = np.column_stack([np.linspace(20, 200, 30), np.linspace(30, 120, 30)])
    other = line + 5
    assert degenerate(SHIFT, line, other, SIZE, SIZE) == "the inliers lie on a line"
    across = scattered(30)[:, :2]
    fold = np.array([[1, 0, 0], [0, 1, 0], [-0.01, 0, 1.0]])  # the line at infinity is x = 100
    assert degenerate(fold, across, across, SIZE, SIZE) == "the picture is folded over"
    mirror = np.array([[-1.0, 0, 380], [0, 1, 5], [0, 0, 1]])
    assert degenerate(mirror, across, across, SIZE, SIZE) == "the picture is mirrored"
    assert not degenerate(SHIFT, across, across + 5, SIZE, SIZE)


def test_missing_keypoints_and_too_few_matches_are_reported() -> None:
    empty = LocalFeatures(np.zeros((0, 4), np.float32), np.zeros((0, 128), np.uint8), SIZE)
    full, _ = alike(scattered(30), scattered(30))
    few, moved = alike(scattered(MIN_INLIERS - 1), transform_keypoints(scattered(MIN_INLIERS - 1), SHIFT))
    assert verify(empty, full).why == "no keypoints in the query"
    assert verify(full, empty).why == "no keypoints in the image"
    assert verify(few, moved).why == f"{MIN_INLIERS - 1} matches are too few"
    assert all(verified.inliers == 0 for verified in (verify(empty, full), verify(few, moved)))


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**31), st.integers(0, 30), st.integers(0, 30))
def test_matches_equal_those_of_a_plain_loop(seed: int, count_a: int, count_b: int) -> None:
    rng = np.random.default_rng(seed)
    spread = rng.standard_normal((count_a, 8)) * 0.3 + rng.standard_normal(8)
    a = (spread / np.linalg.norm(spread, axis=1, keepdims=True)).astype(np.float32)
    copies = a[rng.integers(0, count_a, count_b)] if count_a else rng.standard_normal((count_b, 8))
    noisy = copies + rng.standard_normal((count_b, 8)) * 0.05
    b = (noisy / np.linalg.norm(noisy, axis=1, keepdims=True)).astype(np.float32)
    pairs, distances, ratios, _ = match(a, b)
    expected = []
    all_distances = (
        np.linalg.norm(a[:, None] - b[None], axis=2) if count_a and count_b else np.zeros((count_a, count_b))
    )
    for i in range(count_a if count_b else 0):
        order = np.argsort(all_distances[i], kind="stable")
        mutual = all_distances[:, order[0]].argmin() == i
        if count_b == 1:
            ratio = all_distances[i, order[0]] / np.sqrt(
                2 + 4
            )  # no second neighbour: the largest distance by construction
        else:
            ratio = all_distances[i, order[0]] / max(all_distances[i, order[1]], 1e-9)
        if mutual and ratio <= MAX_RATIO:
            expected.append((i, int(order[0])))
    assert [tuple(pair) for pair in pairs.tolist()] == expected or abs(ratios - MAX_RATIO).min() < 1e-3
    if len(pairs):
        np.testing.assert_allclose(distances, all_distances[tuple(pairs.T)], atol=2e-3)


def test_verification_of_a_photo_and_its_view_is_reproducible() -> None:
    photo = np.asarray(thing("coffee"))
    other, model = random_view(photo, np.random.default_rng(4))
    pair = extract(photo, sift), extract(np.repeat(other[..., None], 3, 2), sift)
    verified, repeated = verify(*pair), verify(*pair)
    assert verified.inliers >= 20
    np.testing.assert_array_equal(verified.inside, repeated.inside)
    expected = transform_keypoints(pair[0].points[verified.pairs[verified.inside, 0]], model)[:, :2]
    errors = np.linalg.norm(expected - pair[1].points[verified.pairs[verified.inside, 1], :2], axis=1)
    assert np.mean(errors < 4) > 0.95
    assert verify(pair[0], extract(np.asarray(thing("chelsea")), sift)).inliers == 0


def test_verified_images_come_first_and_the_others_keep_their_order() -> None:
    points = scattered(40)
    query, same = alike(points, transform_keypoints(points, SHIFT))
    _, half = alike(points, np.vstack([transform_keypoints(points[:20], SHIFT), scattered(20, 9, 380)]))
    other, _ = alike(scattered(40, 5), scattered(40, 6), seed=7)
    empty = LocalFeatures(np.zeros((0, 4), np.float32), np.zeros((0, 128), np.float16), SIZE)
    pictures = {0: other, 1: empty, 2: half, 3: same, 4: same}
    ranking = Ranking(np.array([0, 1, 2, 3, 4]), np.array([0.9, 0.8, 0.7, 0.6, 0.5], np.float32))
    reranked = rerank(query, ranking, pictures.__getitem__, 4)
    assert reranked.rows.tolist() == [3, 2, 0, 1, 4]  # the fifth was not verified
    np.testing.assert_allclose(reranked.scores[[0, 2, 3, 4]], [40.6, 0.9, 0.8, 0.5], rtol=1e-6)
    assert 20.7 <= reranked.scores[1] < 25
    assert verified_results(reranked).rows.tolist() == [3, 2]
    untouched = rerank(query, ranking, lambda row: other, 4)
    np.testing.assert_array_equal(untouched.rows, ranking.rows)
    np.testing.assert_array_equal(untouched.scores, ranking.scores)
